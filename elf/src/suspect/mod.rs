//! Tells texts that give orders to whoever reads them, rather than a lesson. A rule stands in prompts, so
//! whoever can write one could steer later agents; what looks like that is held back until a person has looked.
//! Told by words alone and in English: it finds the common ways, and proves nothing.

use std::sync::LazyLock;

use regex::Regex;

use crate::{redact::entropy, text};

/// A way to give orders: what is said of it, how it looks, and whether it is fine to warn of it.
struct Sign {
    reason: &'static str,
    regex: &'static str,
    may_warn: bool,
}

const fn order(reason: &'static str, regex: &'static str) -> Sign {
    Sign {
        reason,
        regex,
        may_warn: false,
    }
}

/// The same; “never …” before it makes it a warning, which is a good rule.
const fn deed(reason: &'static str, regex: &'static str) -> Sign {
    Sign {
        reason,
        regex,
        may_warn: true,
    }
}

const SIGNS: &[Sign] = &[
    order(
        "it tells the reader to drop earlier instructions",
        r"(?i)\b(?:ignore|disregard|forget|discard|override|set aside)\b[^.\n]{0,40}\b(?:previous|prior|above|earlier|preceding|existing|other|system|your|safety|all)\b[^.\n]{0,30}\b(?:instruction|prompt|guideline|guardrail|directive|message|rule|told|constraint|polic|context)",
    ),
    order(
        "it gives the reader another role",
        r"(?i)\b(?:from now on,? (?:you|always|every)|you are now\b|you must now\b|you(?:'re| are) (?:an? )?(?:unrestricted|jailbroken|free from)|pretend (?:to be|you are|that you)|act as (?:an? )?(?:root|admin|system|developer|unrestricted|dan)\b|(?:developer|debug|god|dan) mode (?:is )?(?:on|enabled|activated)|enter (?:developer|debug|god) mode|new (?:system )?instructions?\s*:|jailbreak)",
    ),
    order(
        "it speaks with the marks of a role",
        r"(?im)(?:^|[\n>\]`\x22'.]\s*)#{0,4}\s*(?:system|assistant|developer|human)(?: message| prompt| instructions?| note| override)?\s*:\s*\S|<\|[a-z_]+\|>|<</?SYS>>|\[/?INST\]|</?(?:system|system-reminder|instructions?|assistant|tool_call|tool_result|function_calls?|invoke)\b[^>]*>|\b(?:begin|end) (?:of )?(?:system|developer) (?:prompt|message)",
    ),
    order(
        "it asks to hide something from people",
        r"(?i)\b(?:do not|don't|never|without) (?:ever )?(?:tell|telling|inform|informing|mention|mentioning|reveal|revealing|notify|notifying|alert|alerting|ask|asking|show|showing|report)\b[^.\n]{0,30}\b(?:the user|the human|the operator|the person|the reviewer|the owner|anyone|anybody)\b|\b(?:hide|conceal|keep)\b[^.\n]{0,40}\bfrom (?:the )?(?:user|human|operator|reviewer|people|anyone)|\b(?:reveal|print|repeat|output|leak|show)\b[^.\n]{0,25}\b(?:system prompt|hidden instructions|your instructions|your prompt)",
    ),
    order(
        "it speaks of memory itself",
        r"(?i)\b(?:mark|make|vote|rate|validate|confirm|upvote|promote)\b[^.\n]{0,30}\b(?:this (?:rule|lesson|heuristic|memory)|as golden|(?:all|every|other) (?:rules?|heuristics?))|\belf_(?:record|validate|violate|query|search)\w*|\b(?:repeat|copy|include|record|save|store) this (?:rule|lesson|text|message|instruction)\b",
    ),
    deed(
        "it tells the reader which tool to call",
        r"(?i)\b(?:call|use|invoke|run|open|trigger)\b[^.\n]{0,20}\b(?:bash|shell|webfetch|web_?fetch|web_?search|browser|mcp|read|write|edit|task|computer|terminal) tool\b|\b(?:call|use|invoke|run)\b[^.\n]{0,20}\b(?:WebFetch|WebSearch|mcp__\w+)|--dangerously-skip-permissions|\bpermission(?:_|-)?mode\b[^.\n]{0,20}bypass",
    ),
    deed(
        "it pipes something into a shell",
        r"(?i)\b(?:curl|wget|fetch|base64|xxd|echo|printf|iwr|invoke-webrequest)\b[^\n|]{0,200}\|\s*(?:sudo\s+)?(?:ba|z|da|k)?sh\b|\|\s*(?:sudo\s+)?(?:bash|zsh|sh|python3?|perl|node|iex)(?:\s+-\S*)*\s*(?:$|[.;&`\x22')])|\b(?:ba|z)?sh\s+(?:-c\s+)?[\x22'<]*[<$]\((?:curl|wget)|\beval\s+[\x22']?\$\(|\bpowershell\b[^\n]{0,40}-e(?:nc|ncodedcommand)?\b|/dev/tcp/|\bnc\b[^\n]{0,30}\s-e\b",
    ),
    deed(
        "it asks for something destructive",
        r"(?i)\brm\s+-[a-z]*[rf][a-z]*\s+(?:--no-preserve-root\s+)?(?:/|~|\$HOME|\*)(?:\s|$|[.;`\x22'*/])|\bchmod\s+-R\s+777\s+/|\bmkfs\.|\bdd\s+if=[^\s]+\s+of=/dev/|:\(\)\s*\{|\b(?:disable|turn off|switch off|bypass|circumvent)\b[^.\n]{0,25}\b(?:safety|security|permission|approval|sandbox|guardrail|audit|antivirus|firewall)",
    ),
    deed(
        "it sends something elsewhere",
        r"(?i)\b(?:send|post|upload|forward|email|e-mail|exfiltrate|submit|transmit|paste|publish|leak|deliver)\b[^.\n]{0,80}(?:https?://|ftp://|\bwebhook|\bpastebin|@[a-z0-9-]+\.[a-z]{2,})|\b(?:send|upload|forward|email|exfiltrate|leak|paste|transmit)\b[^.\n]{0,60}\b(?:secrets?|credentials?|tokens?|passwords?|api.?keys?|environment variables?|\.env|ssh keys?|private keys?|cookies)\b",
    ),
    deed(
        "it tells the reader to fetch an address",
        r"(?i)\b(?:curl|wget|download|fetch|visit|open|browse to|go to|navigate to|load|follow|install|clone|execute|run|pip install|npm install|npx)\b[^.\n]{0,40}\b(?:https?|ftp|javascript|data):[^\s)]{3,}|\bgit\+https?://|!\[[^\]]*\]\(https?://|\b(?:https?)://\d{1,3}(?:\.\d{1,3}){3}|\b(?:https?)://[^\s)]*[?&][a-z_]+=(?:\{|\$|%24|<)|\bdata:text/html|\bjavascript:[a-z(]",
    ),
    deed(
        "it asks for what is secret",
        r"(?i)\b(?:read|cat|print|dump|copy|open|show|include|echo|output|attach|list)\b[^.\n]{0,60}(?:~/\.ssh|\bid_rsa\b|\bid_ed25519\b|/etc/(?:passwd|shadow)|~/\.aws|\.aws/credentials|~/\.netrc|\.env\b file|/proc/self/environ|\bprintenv\b)|\b(?:print|dump|output|echo|reveal|include)\b[^.\n]{0,30}\b(?:all |the |your )?(?:environment variables|secrets|credentials|api.?keys?|access tokens?|private keys?)\b",
    ),
    order(
        "it has something to be decoded",
        r"(?i)\b(?:base64\s+(?:-d|-D|--decode)|atob\(|b64decode\(|frombase64string|rot13|decode (?:this|the following|it) and|decode (?:this|the following):)|\[redacted:high-entropy:[^\]]*\]\s*={1,2}",
    ),
];

static COMPILED: LazyLock<Vec<(&'static Sign, Regex)>> = LazyLock::new(|| {
    let compiled = |sign: &'static Sign| Some((sign, Regex::new(sign.regex).ok()?));
    SIGNS.iter().filter_map(compiled).collect()
});

/// How far before a deed a word may stand that makes it a warning, in bytes.
const BEFORE: usize = 40;
/// Such words.
const WARNS: &[&str] = &[
    "never",
    "not ",
    "n't ",
    "avoid",
    "instead of",
    "rather than",
    "don’t",
    "refuse",
    "without",
    "prevent",
    "no need to",
    "stop ",
];
/// From this length on, a run of base64 is no word.
const BLOB: usize = 48;

/// Why a text is to be held back; nothing for an ordinary one.
#[must_use]
pub fn reason(said: &str) -> Option<&'static str> {
    if said.chars().any(is_hidden) || said.split_whitespace().any(is_forged) {
        return Some("it has characters that a reader cannot see or tell apart");
    }
    let found = COMPILED.iter().find(|(sign, regex)| {
        let mut all = regex.find_iter(said);
        all.any(|at| !(sign.may_warn && is_warning(&said[..at.start()])))
    });
    let blob = || said.split(|c: char| !is_base64(c)).any(is_blob);
    match found {
        Some((sign, _)) => Some(sign.reason),
        None => blob().then_some("it has something to be decoded"),
    }
}

fn is_warning(before: &str) -> bool {
    let mut from = before.len().saturating_sub(BEFORE);
    while !before.is_char_boundary(from) {
        from += 1;
    }
    // A warning ends with its sentence.
    let near = before[from..].rsplit(['.', ';', ':', '!', '?']).next();
    let near = near.unwrap_or_default().to_lowercase();
    WARNS.iter().any(|word| near.contains(word))
}

fn is_hidden(c: char) -> bool {
    text::is_deceptive(c)
        || matches!(c, '\u{00ad}' | '\u{034f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200c}' | '\u{2061}'..='\u{2064}' | '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0100}'..='\u{e01ef}')
}

/// Latin letters and others that look like them, in one word.
fn is_forged(word: &str) -> bool {
    let latin = word.chars().filter(char::is_ascii_alphabetic).count();
    let others = |c: &char| matches!(c, '\u{0370}'..='\u{03ff}' | '\u{0400}'..='\u{052f}' | '\u{ff21}'..='\u{ff5a}');
    let others = word.chars().filter(others).count();
    latin >= 2 && others >= 1 && word.chars().all(char::is_alphanumeric)
}

const fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/')
}

/// Long, and as if drawn by chance.
fn is_blob(run: &str) -> bool {
    run.len() >= BLOB && entropy::is_random(run)
}

#[cfg(test)]
mod tests;
