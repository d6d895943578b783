//! The manual of the rulebook: what stands at the head of each rule's file is what its users read.
//!
//! `kidstamp rules` shows it, and `docs/rules.md` is made of it; a test fails when the two drift apart.

use super::strictness::{self, PRACTICES};
use super::{Rule, Setting};
use std::fmt::Write as _;

/// The files of the rules. A rule's page is found by the id that its file names.
const FILES: &[&str] = &[
    include_str!("claims/at_hash_missing.rs"),
    include_str!("claims/audience_array.rs"),
    include_str!("claims/audience_string.rs"),
    include_str!("claims/authorized_party_missing.rs"),
    include_str!("claims/date_fraction.rs"),
    include_str!("claims/date_iso.rs"),
    include_str!("claims/date_milliseconds.rs"),
    include_str!("claims/date_string.rs"),
    include_str!("claims/email_verified_missing.rs"),
    include_str!("claims/groups_string.rs"),
    include_str!("claims/hash_null.rs"),
    include_str!("claims/hash_wrong.rs"),
    include_str!("claims/header_unknown.rs"),
    include_str!("claims/issued_at_missing.rs"),
    include_str!("claims/issuer_alias.rs"),
    include_str!("claims/nonce_missing.rs"),
    include_str!("claims/null_claim.rs"),
    include_str!("claims/signature_der.rs"),
    include_str!("claims/type_missing.rs"),
    include_str!("claims/type_odd.rs"),
    include_str!("claims/verified_string.rs"),
    include_str!("discovery/algorithm_alias.rs"),
    include_str!("discovery/algorithms_undeclared.rs"),
    include_str!("discovery/as_configured.rs"),
    include_str!("discovery/byte_order_mark.rs"),
    include_str!("discovery/content_type.rs"),
    include_str!("discovery/id_token_algorithms_missing.rs"),
    include_str!("discovery/inside_url.rs"),
    include_str!("discovery/issuer_alias.rs"),
    include_str!("discovery/jwks_uri_missing.rs"),
    include_str!("discovery/missing.rs"),
    include_str!("discovery/response_types_missing.rs"),
    include_str!("discovery/subject_types_missing.rs"),
    include_str!("jwks/alg_spelling.rs"),
    include_str!("jwks/as_configured.rs"),
    include_str!("jwks/bare_array.rs"),
    include_str!("jwks/base64url_spelling.rs"),
    include_str!("jwks/byte_order_mark.rs"),
    include_str!("jwks/certificate_members.rs"),
    include_str!("jwks/coordinate_length.rs"),
    include_str!("jwks/duplicate_member.rs"),
    include_str!("jwks/empty_members.rs"),
    include_str!("jwks/enc_key.rs"),
    include_str!("jwks/exponent_unsafe.rs"),
    include_str!("jwks/integer_spelling.rs"),
    include_str!("jwks/key_ops_not_array.rs"),
    include_str!("jwks/key_twice.rs"),
    include_str!("jwks/keys_missing.rs"),
    include_str!("jwks/keys_not_array.rs"),
    include_str!("jwks/kid_duplicate.rs"),
    include_str!("jwks/kid_empty.rs"),
    include_str!("jwks/kid_malformed.rs"),
    include_str!("jwks/kid_missing.rs"),
    include_str!("jwks/kid_not_string.rs"),
    include_str!("jwks/kid_null.rs"),
    include_str!("jwks/kty_case.rs"),
    include_str!("jwks/kty_missing.rs"),
    include_str!("jwks/kty_unknown.rs"),
    include_str!("jwks/leading_zeros.rs"),
    include_str!("jwks/null_members.rs"),
    include_str!("jwks/pem_map.rs"),
    include_str!("jwks/point_off_curve.rs"),
    include_str!("jwks/private_members.rs"),
    include_str!("jwks/rsa_size.rs"),
    include_str!("jwks/single_key.rs"),
    include_str!("jwks/symmetric_key.rs"),
    include_str!("jwks/unreadable_key.rs"),
    include_str!("jwks/use_case.rs"),
    include_str!("jwks/use_missing.rs"),
    include_str!("jwks/x5c_only.rs"),
    include_str!("jwks/x5c_spelling.rs"),
    include_str!("jwks/x5c_spki.rs"),
    include_str!("jwks/x5t_length.rs"),
    include_str!("token_response/byte_order_mark.rs"),
    include_str!("token_response/cacheable.rs"),
    include_str!("token_response/content_type.rs"),
    include_str!("token_response/expires_in_string.rs"),
    include_str!("token_response/null_member.rs"),
    include_str!("token_response/refresh_token_missing.rs"),
    include_str!("token_response/scope_array.rs"),
    include_str!("token_response/status_created.rs"),
    include_str!("token_response/token_type_case.rs"),
    include_str!("token_response/token_type_missing.rs"),
    include_str!("userinfo/attributes_nested.rs"),
    include_str!("userinfo/null_claim.rs"),
    include_str!("userinfo/preferred_username_missing.rs"),
    include_str!("userinfo/updated_at_text.rs"),
    include_str!("userinfo/verified_string.rs"),
];

/// What the head of the rule's file says, as Markdown; `None` for an id that no file names.
pub fn page(id: &str) -> Option<String> {
    let names = format!("id: \"{id}\",");
    let file = FILES.iter().find(|file| file.contains(&names))?;
    let head = file.lines().map_while(|line| line.strip_prefix("//!"));
    Some(head.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n"))
}

/// How many relying parties refuse what the rule answers, by flaw.
pub fn refusals(rule: &Rule) -> Vec<(&'static str, usize)> {
    rule.answers
        .iter()
        .filter_map(|id| strictness::flaw(id))
        .map(|flaw| (flaw.id, flaw.refused_by().count()))
        .collect()
}

/// `on`, `reported only` or `off, to be switched on`: what a rule does where nothing is configured.
pub fn default_in_words(rule: &Rule) -> &'static str {
    match (rule.default, rule.fixed) {
        (Setting::Repair, true) => "always on",
        (Setting::Repair, false) => "on",
        (Setting::Warn, _) => "reported only",
        (Setting::Off, _) => "off",
    }
}

/// The whole rulebook as one Markdown document: `docs/rules.md`.
pub fn markdown() -> String {
    let total = strictness::relying_parties().count();
    let mut text = String::from(
        "# The rulebook\n\n\
         <!-- Made from the heads of the files in src/rules; `UPDATE=1 cargo test --test rulebook` makes it anew. -->\n\n\
         Every flaw that kidstamp knows, who refuses it, and what is changed. `[rules]` in the configuration sets a \
         rule to `repair`, `warn` or `off`.\n",
    );
    for rule in super::all() {
        let _ = writeln!(text, "\n## {}\n\n{}\n", rule.id, page(rule.id).unwrap_or_default());
        let _ = writeln!(text, "- By default: {}", default_in_words(rule));
        let _ = writeln!(text, "- Reference: {}", rule.reference);
        for (flaw, count) in refusals(rule) {
            let _ = writeln!(text, "- Refused by {count} of {total} relying parties: `{flaw}`");
        }
    }
    text.push_str("\n# What needs no rule\n\n");
    for practice in PRACTICES {
        let _ = writeln!(text, "- `{}`: {}.", practice.id, practice.summary);
    }
    text
}
