//! One pod per seat, under a name that only this seat has: made once, adopted when it is ours, refused
//! when it is a stranger's. What may be had later is asked for again, for a while.

use kube::{api::PostParams, core::Status};
use sandbox_core::{
    Brief, FailureClass, Seat,
    port::{Answer, PortError},
};

use super::{PodBackend, cause::Cause, create, found::Found};
use crate::backend::cause::shortened;

/// What the API server's refusal means.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Refusal {
    /// Something of that name is there.
    Exists,
    /// It will not be made.
    Never(Cause),
    /// It may be made later.
    Later(Cause),
    /// It is not known whether it was made, or the server was only busy.
    Lost,
}

impl PodBackend {
    /// Makes the seat's pod, or finds that it was made before.
    pub(super) async fn begin(&self, brief: &Brief) -> Answer<()> {
        let asked = create::asked(brief);
        if let Some(image) = asked.image.as_deref().filter(|i| !self.conf.allows(i)) {
            let text = format!("use image {image}: {}", super::NOT_ALLOWED);
            return Err(PortError::refused(FailureClass::InvalidSpec, text));
        }
        let (seat, namespace) = (&brief.seat, brief.tenant.as_str());
        self.cache.settle(seat, namespace);
        let pods = self.pods(namespace);
        let made = pods
            .create(&PostParams::default(), &create::pod(&self.conf, brief))
            .await;
        match made {
            Ok(pod) => {
                self.waits.forget(seat);
                self.cache.put(Found::read(&pod));
                Ok(())
            }
            Err(kube::Error::Api(status)) => self.not_made(brief, &status).await,
            Err(e) => Err(lost(seat, &e.to_string())),
        }
    }

    async fn not_made(&self, brief: &Brief, status: &Status) -> Answer<()> {
        let seat = &brief.seat;
        let what = |text: &str| format!("make the pod of seat {seat}: {text}");
        match refusal(status) {
            Refusal::Exists => self.adopt(brief).await,
            Refusal::Lost => Err(lost(seat, &status.message)),
            Refusal::Never(cause) => {
                self.waits.forget(seat);
                let text = what(&cause.text(&status.message));
                Err(PortError::refused(cause.class(), text))
            }
            Refusal::Later(cause) => {
                let text = cause.text(&status.message);
                if self.waits.note(seat, text.clone()) < self.conf.prepare_within {
                    return Err(PortError::Unknown(what(&text)));
                }
                self.waits.forget(seat);
                Err(PortError::refused(cause.class(), what(&text)))
            }
        }
    }

    /// A pod of the seat's name is ours when the very job owns it.
    async fn adopt(&self, brief: &Brief) -> Answer<()> {
        let (seat, namespace) = (&brief.seat, brief.tenant.as_str());
        let there = self.live(seat, namespace).await?;
        let found = there.ok_or_else(|| lost(seat, "it was there and is gone again"))?;
        if !found.is_ours(seat) {
            let text = Cause::Taken.text(&format!("{namespace}/{}", found.name));
            let text = format!("make the pod of seat {seat}: {text}");
            return Err(PortError::refused(Cause::Taken.class(), text));
        }
        self.waits.forget(seat);
        self.cache.put(found);
        Ok(())
    }
}

fn lost(seat: &Seat, text: &str) -> PortError {
    PortError::Unknown(format!("make the pod of seat {seat}: {}", shortened(text)))
}

/// Reads the API server's words: most refusals have one code, 403.
fn refusal(status: &Status) -> Refusal {
    let says = |words: &str| status.message.contains(words);
    let causes = status.details.iter().flat_map(|d| &d.causes);
    let terminating = causes
        .into_iter()
        .any(|c| c.reason == "NamespaceTerminating");
    match status.code {
        409 if status.reason == "AlreadyExists" => Refusal::Exists,
        // The quota was changed meanwhile, or there was too much at once: it was certainly not made.
        409 | 429 => Refusal::Lost,
        403 if terminating || says("being terminated") => Refusal::Never(Cause::Terminating),
        403 if says("exceeded quota") => Refusal::Later(Cause::OverQuota),
        // A new namespace gets its service account a moment later.
        403 if says("error looking up service account") => Refusal::Later(Cause::Denied),
        403 if says("cannot create resource") => Refusal::Never(Cause::NotAllowed),
        404 => Refusal::Never(Cause::Terminating),
        400..500 => Refusal::Never(Cause::Denied),
        _ => Refusal::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16, reason: &str, message: &str) -> Status {
        Status::failure(message, reason).with_code(code)
    }

    #[test]
    fn what_may_be_had_later_is_told_from_what_never_will() {
        use Refusal::{Exists, Later, Lost, Never};
        for (code, reason, message, wanted) in [
            (409, "AlreadyExists", "pods \"x\" already exists", Exists),
            (
                409,
                "Conflict",
                "Operation cannot be fulfilled on resourcequotas",
                Lost,
            ),
            (
                403,
                "Forbidden",
                "pods \"x\" is forbidden: exceeded quota: q, requested: pods=1",
                Later(Cause::OverQuota),
            ),
            (
                403,
                "Forbidden",
                "unable to create new content in namespace n because it is being terminated",
                Never(Cause::Terminating),
            ),
            (
                403,
                "Forbidden",
                "pods \"x\" is forbidden: violates PodSecurity \"restricted\"",
                Never(Cause::Denied),
            ),
            (
                403,
                "Forbidden",
                "pods \"x\" is forbidden: error looking up service account n/default",
                Later(Cause::Denied),
            ),
            (
                403,
                "Forbidden",
                "pods is forbidden: User \"u\" cannot create resource \"pods\"",
                Never(Cause::NotAllowed),
            ),
            (
                422,
                "Invalid",
                "must be less than or equal to memory limit",
                Never(Cause::Denied),
            ),
            (
                404,
                "NotFound",
                "namespaces \"n\" not found",
                Never(Cause::Terminating),
            ),
            (500, "InternalError", "etcdserver: leader changed", Lost),
            (504, "Timeout", "request did not complete", Lost),
        ] {
            assert_eq!(refusal(&status(code, reason, message)), wanted, "{message}");
        }
    }
}
