import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import net.minidev.json.JSONArray;
import net.minidev.json.JSONObject;
import net.minidev.json.parser.JSONParser;

/** Many questions on standard input as a JSON list, as many answers on standard output. */
final class Questions {
    interface RelyingParty {
        void verify(JSONObject question) throws Exception;
    }

    static void answerAll(RelyingParty relyingParty) throws Exception {
        JSONArray questions = (JSONArray) new JSONParser(JSONParser.MODE_RFC4627).parse(System.in.readAllBytes());
        List<Map<String, Object>> answers = new ArrayList<>();
        for (Object question : questions) {
            Map<String, Object> answer = new LinkedHashMap<>();
            answers.add(answer);
            try {
                relyingParty.verify((JSONObject) question);
                answer.put("accepted", true);
                answer.put("error", null);
            } catch (Exception refusal) {
                String text = refusal.getClass().getSimpleName() + ": " + refusal.getMessage();
                answer.put("accepted", false);
                answer.put("error", text.substring(0, Math.min(text.length(), 300)));
            }
        }
        System.out.println(JSONArray.toJSONString(answers));
    }

    private Questions() {}
}
