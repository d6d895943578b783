//! There is no `nonce`, though the authorization request had one.
//!
//! LinkedIn, Discord, WSO2 Identity Server 7, Gravitee AM and a plugin of WordPress lose it; Apple does for some clients. OpenID Connect
//! Core §2 requires it, and relying parties that sent one refuse the token: "missing_claim: Missing 'nonce' claim" (Authlib), "OpenID
//! Provider [oidc] did not return a nonce" (Keycloak), "invalid nonce" (Spring Security), "Not the same nonce in the ID Token as in the
//! authorization request"; so do Synapse, Auth.js, Directus, python-social-auth and angular-auth-oidc-client.
//!
//! **What is changed,** where `client.restore_nonce` is set: the ID token of a token response gets the nonce of the authorization request
//! that its code answers. kidstamp remembers, in memory, for `server.limits.login_lifetime` and for `server.limits.logins` at the most,
//! which nonce came with which `state`, and which code went out under it; of codes and states it keeps SHA-256 digests. A nonce that the
//! provider writes is never replaced. Two requests with one `state` that differ, or one code under two logins, are ambiguous: nothing is
//! restored. Client, issuer and `aud` must fit.
//!
//! **The risk,** for which nothing is restored by default and the setting is a warning at start: it is then kidstamp's word, and not the
//! provider's, that the code is of that login. Whoever knows the `state` of another one's login under way, has it forgotten (by keeping
//! it waiting for longer than `login_lifetime`, or by `logins` logins of his own) and then steals its code could pass it off as his own. PKCE closes that, where the provider has it; switching the
//! check off at the relying party opens more. **What it takes:** the browser and the relying party come to the same kidstamp (one
//! replica, or a way to stick to one), and no restart in between; otherwise the token passes without, and the log says so.
//! **What is not restored:** nonces that stand in a request object, that came in a POST or by PAR; those of ID tokens that come through
//! the browser (implicit and hybrid flow), and behind a code in a JWT (JARM).

use super::{Context, is_for_client, pointer};
use crate::json::{self, Kind, Value};
use crate::rules::{Effect, Report, Rule, Setting};

pub(super) static RULE: Rule = Rule {
    id: "claims/nonce-missing",
    summary: "no nonce, though the authorization request had one that the configuration wants restored",
    reference: "OpenID Connect Core sections 2 and 3.1.3.7 (11)",
    default: Setting::Repair,
    fixed: false,
    answers: &["IDT-01", "IDT-02", "IDT-03", "IDT-04", "IDT-05", "IDT-45", "IDT-46", "IDT-47"],
};

pub(super) fn check<'d>(claims: Value<'d>, context: Context<'_>, report: &mut Report<'d>) {
    const NAME: &str = "nonce";
    let Some(nonce) = context.nonce else { return };
    if !is_for_client(claims, context.options) {
        return;
    }
    match claims.get(NAME) {
        None => report.found(format!("/{NAME}"), "missing", Effect::Repaired, |edits| {
            edits.insert_member(claims, NAME, &json::quote(nonce));
        }),
        Some(claim) if claim.kind() == Kind::Null => {
            report.found(pointer(claim), "null", Effect::Repaired, |edits| {
                edits.replace(claim, json::quote(nonce));
            });
        }
        // The provider's own word, whether or not it is the right one.
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NOW, for_client, silent_with};
    use super::super::{Context, Hashes, TABLE};
    use super::RULE;
    use crate::rules::layer::testing::Fixture;

    #[test]
    fn fixtures() {
        let options = for_client("rp");
        let hashes = Hashes::default();
        let context =
            Context { options: &options, hashes: &hashes, nonce: Some("n-\"1"), now: NOW };
        let fixture = Fixture { table: &TABLE, rule: &RULE, context };
        fixture.repaired(r#"{"aud":"rp"}"#, r#"{"nonce":"n-\"1","aud":"rp"}"#);
        fixture.repaired(
            r#"{"aud":["api","rp"], "nonce": null}"#,
            r#"{"aud":["api","rp"], "nonce": "n-\"1"}"#,
        );
        for kept in [
            r#"{"aud":"rp","nonce":"another"}"#,
            r#"{"aud":"rp","nonce":""}"#,
            r#"{"aud":"rp","nonce":7}"#,
            r#"{"aud":"rp2"}"#,
            r#"{"aud":["api"]}"#,
            "{}",
        ] {
            fixture.silent(kept);
        }
        // Nothing is known of its login.
        silent_with(&RULE, &options, r#"{"aud":"rp"}"#);
    }
}
