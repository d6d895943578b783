// Nimbus OAuth 2.0 SDK as its own guide logs in: discovery, the code for tokens, the ID token's validator; over many questions.

import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jwt.JWT;
import com.nimbusds.oauth2.sdk.AuthorizationCode;
import com.nimbusds.oauth2.sdk.AuthorizationCodeGrant;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.TokenResponse;
import com.nimbusds.oauth2.sdk.auth.ClientSecretBasic;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.http.HTTPResponse;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.id.Issuer;
import com.nimbusds.oauth2.sdk.token.AccessToken;
import com.nimbusds.openid.connect.sdk.OIDCTokenResponse;
import com.nimbusds.openid.connect.sdk.OIDCTokenResponseParser;
import com.nimbusds.openid.connect.sdk.claims.AccessTokenHash;
import com.nimbusds.openid.connect.sdk.claims.IDTokenClaimsSet;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import com.nimbusds.openid.connect.sdk.validators.AccessTokenValidator;
import com.nimbusds.openid.connect.sdk.validators.IDTokenValidator;
import java.net.URI;
import java.util.List;
import net.minidev.json.JSONObject;

final class Nimbus {
    private static void verify(JSONObject asked) throws Exception {
        Issuer issuer = new Issuer(asked.getAsString("issuer"));
        ClientID client = new ClientID(asked.getAsString("audience"));
        OIDCProviderMetadata metadata = OIDCProviderMetadata.resolve(issuer, 5000, 5000);
        // One algorithm is configured; where the provider offers ES256, that.
        JWSAlgorithm algorithm = JWSAlgorithm.parse(asked.getAsString("algorithm"));
        if (asked.getAsString("jwks_uri") == null) {
            List<JWSAlgorithm> offered = metadata.getIDTokenJWSAlgs();
            algorithm = offered.contains(JWSAlgorithm.ES256) ? JWSAlgorithm.ES256 : offered.get(0);
        }

        TokenRequest request = new TokenRequest(
            metadata.getTokenEndpointURI(),
            new ClientSecretBasic(client, new Secret("secret")),
            new AuthorizationCodeGrant(new AuthorizationCode("abc"), URI.create("http://127.0.0.1/callback")));
        HTTPResponse answer = request.toHTTPRequest().send();
        TokenResponse response = OIDCTokenResponseParser.parse(answer);
        if (!response.indicatesSuccess()) {
            throw new IllegalStateException("token response: " + response.toErrorResponse().getErrorObject());
        }
        OIDCTokenResponse tokens = (OIDCTokenResponse) response.toSuccessResponse();
        JWT idToken = tokens.getOIDCTokens().getIDToken();
        IDTokenValidator validator = new IDTokenValidator(
            issuer, client, algorithm, metadata.getJWKSetURI().toURL());
        IDTokenClaimsSet claims = validator.validate(idToken, null);
        AccessTokenHash hash = claims.getAccessTokenHash();
        if (hash != null) {
            AccessToken accessToken = tokens.getOIDCTokens().getAccessToken();
            AccessTokenValidator.validate(accessToken, (JWSAlgorithm) idToken.getHeader().getAlgorithm(), hash);
        }
    }

    public static void main(String[] arguments) throws Exception {
        Questions.answerAll(Nimbus::verify);
    }
}
