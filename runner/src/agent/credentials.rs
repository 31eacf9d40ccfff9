//! How agents log in at the model's side: a long-lived token, an API key, or the user's own login.
//! The first two stand in a file that is named and never copied; of the third [`super::login`] tells.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use sandbox_core::{Failure, FailureClass};

use super::login::Login;
use crate::settings::Settings;

/// No key or token is longer.
const LONGEST: u64 = 8192;
/// How much of a key's end stands in the program's configuration as approved.
const KEY_END: usize = 20;
/// What a person can do.
const REMEDY: &str = "run `claude setup-token` and name the file with its token in \
    SANDBOX_AGENT_TOKEN_FILE, set SANDBOX_AGENT_LOGIN=true, or set ANTHROPIC_API_KEY where \
    `sandbox serve` is started";

/// What is said of a login that is over.
pub const OVER: &str = "use your own login for agents: it is over; open `claude` once, which renews \
    it, or set SANDBOX_AGENT_LOGIN_RENEW";

/// How agents log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// By a token of `claude setup-token`.
    Token(PathBuf),
    /// By an API key; the end of it is what the program asks a person to approve.
    Key {
        /// Where it stands.
        file: PathBuf,
        /// Its last 20 characters.
        end: String,
    },
    /// By the login of the user that runs the server.
    Login(Login),
    /// Not at all: for programs that ask no model.
    None,
}

impl Credentials {
    /// What these settings say; a token goes before the user's own login, and that before a key.
    ///
    /// # Errors
    /// `InvalidSpec` with what to set, when there is nothing usable and the program needs it.
    pub fn choose(settings: &Settings) -> Result<Self, Failure> {
        if let Some(file) = &settings.agent_token_file {
            secret(file).map_err(|e| refuse(&format!("read the agents' token: {e}; {REMEDY}")))?;
            return Ok(Self::Token(file.clone()));
        }
        if settings.agent_login {
            return login(settings);
        }
        match &settings.model_key_file {
            Some(file) => key(file),
            None if needs_login(settings) => {
                Err(refuse(&format!("no login for the agents: {REMEDY}")))
            }
            None => Ok(Self::None),
        }
    }

    /// The variables that the program is given, each with the file its value stands in.
    pub fn variables(&self) -> BTreeMap<String, PathBuf> {
        let pair = match self {
            Self::Token(file) => Some(("CLAUDE_CODE_OAUTH_TOKEN".to_owned(), file.clone())),
            Self::Key { file, .. } => Some(("ANTHROPIC_API_KEY".to_owned(), file.clone())),
            Self::Login(_) | Self::None => None,
        };
        pair.into_iter().collect()
    }

    /// The user's own login, if that is used.
    pub fn login(&self) -> Option<&Login> {
        match self {
            Self::Login(login) => Some(login),
            Self::Token(_) | Self::Key { .. } | Self::None => None,
        }
    }

    /// The end of the key that a person would be asked to approve.
    pub fn key_end(&self) -> Option<&str> {
        match self {
            Self::Key { end, .. } => Some(end),
            Self::Token(_) | Self::Login(_) | Self::None => None,
        }
    }

    /// What is in use, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Token(_) => "a long-lived token",
            Self::Key { .. } => "an API key",
            Self::Login(_) => "your own login",
            Self::None => "no login",
        }
    }
}

fn login(settings: &Settings) -> Result<Credentials, Failure> {
    let login = Login {
        file: settings.agent_login_file.clone(),
        renew: settings.agent_login_renew.clone(),
        lock: settings.secrets_root.join("agent-login.lock"),
    };
    let loan = login.loan().map_err(|e| {
        let shown = login.file.display();
        refuse(&format!("read your own login in {shown}: {e}; {REMEDY}"))
    })?;
    if login.renew.is_empty() && loan.is_over(Timestamp::now().as_millisecond()) {
        return Err(refuse(OVER));
    }
    Ok(Credentials::Login(login))
}

fn key(file: &Path) -> Result<Credentials, Failure> {
    let key = secret(file).map_err(|e| refuse(&format!("read the API key: {e}; {REMEDY}")))?;
    let from = key.len().saturating_sub(KEY_END);
    Ok(Credentials::Key {
        file: file.to_owned(),
        end: key[from..].to_owned(),
    })
}

fn secret(file: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(LONGEST).read_to_string(&mut text)?;
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(std::io::Error::other(
            "its file is empty or holds more than one word",
        ));
    }
    Ok(text.to_owned())
}

/// The real program stops at its login screen without; another may need nothing.
fn needs_login(settings: &Settings) -> bool {
    let program = settings.agent_command.first();
    let name = program.and_then(|p| Path::new(p).file_name()?.to_str());
    name.is_none_or(|n| n == "claude")
}

fn refuse(text: &str) -> Failure {
    Failure::new(FailureClass::InvalidSpec, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn a_token_goes_before_a_key() {
        let (token, key) = (file("tok\n"), file("sk-0123456789012345678901234\n"));
        let mut settings = Settings {
            model_key_file: Some(key.path().to_owned()),
            ..Settings::default()
        };
        let chosen = Credentials::choose(&settings).unwrap();
        assert_eq!(chosen.key_end(), Some("56789012345678901234"));
        assert!(chosen.variables().contains_key("ANTHROPIC_API_KEY"));
        settings.agent_token_file = Some(token.path().to_owned());
        let chosen = Credentials::choose(&settings).unwrap();
        assert!(chosen.variables().contains_key("CLAUDE_CODE_OAUTH_TOKEN"));
        assert_eq!(chosen.key_end(), None);
    }

    #[test]
    fn without_a_usable_login_the_message_says_what_to_do() {
        let odd = file("two words");
        let mut settings = Settings::default();
        let mut texts = vec![Credentials::choose(&settings).unwrap_err().message];
        settings.agent_login = true;
        texts.push(Credentials::choose(&settings).unwrap_err().message);
        settings.agent_token_file = Some(odd.path().to_owned());
        texts.push(Credentials::choose(&settings).unwrap_err().message);
        assert!(
            texts.iter().all(|t| t.contains("claude setup-token")),
            "{texts:?}"
        );
        assert!(!texts[2].contains("two words"));
    }

    #[test]
    fn a_program_that_asks_no_model_needs_no_login() {
        let agent_command = vec!["/opt/scripted-agent".to_owned()];
        let settings = Settings {
            agent_command,
            ..Settings::default()
        };
        assert_eq!(Credentials::choose(&settings).unwrap(), Credentials::None);
    }
}
