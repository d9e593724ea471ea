//! Planted text, on which the rules are tried.

use super::Finding;
use crate::workspace::TextFile;

/// Files of these paths and texts.
pub(super) fn files(planted: &[(&str, &str)]) -> Vec<TextFile> {
    planted
        .iter()
        .map(|(path, text)| TextFile { path: (*path).into(), text: (*text).into() })
        .collect()
}

/// Where the findings are.
pub(super) fn places(findings: &[Finding]) -> Vec<(&str, usize)> {
    findings.iter().map(|finding| (finding.path.as_str(), finding.line)).collect()
}
