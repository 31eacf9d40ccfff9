//! What stands beneath an error: libraries wrap what went wrong in words that only say where.

use std::error::Error;

/// An error and what caused it, the outermost first.
pub fn causes<'a>(e: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let next =
        |e: &&'a (dyn Error + 'static)| -> Option<&'a (dyn Error + 'static)> { (*e).source() };
    std::iter::successors(Some(e), next)
}

/// The words of the first cause: those around it only say that there is one.
#[must_use]
pub fn innermost(e: &(dyn Error + 'static)) -> String {
    causes(e)
        .last()
        .map_or_else(String::new, ToString::to_string)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("asked the server")]
    struct Wrapped(#[source] io::Error);

    #[test]
    fn the_first_cause_is_told_and_found_by_its_type() {
        let wrapped = Wrapped(io::Error::new(io::ErrorKind::NotFound, "no socket"));
        assert_eq!(innermost(&wrapped), "no socket");
        let io = causes(&wrapped).find_map(|e| e.downcast_ref::<io::Error>());
        assert_eq!(io.map(io::Error::kind), Some(io::ErrorKind::NotFound));
    }
}
