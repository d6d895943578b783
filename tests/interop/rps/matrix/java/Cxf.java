// Apache CXF as its OpenID Connect guide reads an ID token: IdTokenReader with the provider's key set; over many questions.

import java.util.List;
import java.util.Map;
import net.minidev.json.JSONObject;
import org.apache.cxf.jaxrs.client.WebClient;
import org.apache.cxf.jaxrs.json.basic.JsonMapObjectReaderWriter;
import org.apache.cxf.rs.security.jose.jaxrs.JsonWebKeysProvider;
import org.apache.cxf.rs.security.oauth2.client.Consumer;
import org.apache.cxf.rs.security.oauth2.common.ClientAccessToken;
import org.apache.cxf.rs.security.oidc.rp.IdTokenReader;

final class Cxf {
    private static void verify(JSONObject asked) {
        String issuer = asked.getAsString("issuer");
        String jwksUri = asked.getAsString("jwks_uri");
        if (jwksUri == null) {
            String metadata = WebClient.create(issuer + "/.well-known/openid-configuration").get(String.class);
            jwksUri = (String) new JsonMapObjectReaderWriter().fromJson(metadata).get("jwks_uri");
        }
        IdTokenReader reader = new IdTokenReader();
        reader.setIssuerId(issuer);
        reader.setJwkSetClient(WebClient.create(jwksUri, List.of(new JsonWebKeysProvider())));
        // By default it wants at_hash; it is asked about that only where it matters.
        String accessToken = asked.getAsString("access_token");
        reader.setRequireAccessTokenHash(accessToken != null);
        ClientAccessToken tokens = new ClientAccessToken("Bearer", accessToken == null ? "opaque" : accessToken);
        tokens.setParameters(Map.of("id_token", asked.getAsString("token")));
        reader.getIdToken(tokens, new Consumer(asked.getAsString("audience"), "secret"));
    }

    public static void main(String[] arguments) throws Exception {
        Questions.answerAll(Cxf::verify);
    }
}
