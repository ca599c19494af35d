import com.google.firebase.rules.lang.CompileResult;
import com.google.firebase.rules.lang.FirebaseRulesProtoCompiler;
import com.google.firebase.rules.lang.common.FirebaseRulesLangOptions;
import com.google.firebase.rules.runtime.evaluators.AuthRuleEvaluator.RuleContext;
import com.google.firebase.rules.runtime.impl.DefaultEvaluator;
import com.google.firebase.rules.runtime.utils.ExpressionValueUtils;
import com.google.firebase.rules.runtime.utils.PathUtils;
import com.google.firebase.rules.runtime.v1.ExpressionMapValue;
import com.google.firebase.rules.runtime.v1.ExpressionValue;
import com.google.firebase.rules.v1.File;
import com.google.firebase.rules.v1.Source;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Scanner;

/**
 * Decides storage.rules with the rules engine inside the Firestore emulator's jar: the rules file is the argument, each
 * line of the input is "method path user" (user "-" for nobody), each line of the output "allow" or "deny".
 */
public class StorageRules {
  public static void main(String[] arguments) throws Exception {
    String content = Files.readString(Path.of(arguments[0]));
    Source source =
        Source.newBuilder().addFiles(File.newBuilder().setName("storage.rules").setContent(content)).build();
    CompileResult compiled =
        FirebaseRulesProtoCompiler.createStandalone(
                FirebaseRulesLangOptions.builder()
                    .allowTernaryOperator(true)
                    .allowCrossServiceRules(true)
                    .allowLetBindings(true)
                    .build())
            .compile(source);
    compiled.getIssues().forEach(issue -> System.err.println(issue.getDescription()));
    if (!compiled.getIssues().isEmpty()) {
      System.exit(2);
    }
    DefaultEvaluator evaluator = new DefaultEvaluator(compiled.getRulesetAst());
    Scanner input = new Scanner(System.in, "UTF-8");
    while (input.hasNextLine()) {
      String[] words = input.nextLine().split(" ");
      System.out.println(decide(evaluator, words[0], words[1], words[2]));
    }
  }

  private static String decide(DefaultEvaluator evaluator, String method, String path, String user) {
    RuleContext context =
        RuleContext.builder()
            .service("firebase.storage")
            .method(method)
            .path(PathUtils.parseRaw(path))
            .supplyVariable("request", map("auth", auth(user)))
            .supplyVariable("resource", ExpressionValueUtils.NULL)
            .listeners(List.of())
            .build();
    try {
      return evaluator.evaluate(context).get().permit() ? "allow" : "deny";
    } catch (Exception undecided) {
      return "deny"; // as Cloud Storage takes a rule that cannot be evaluated
    }
  }

  private static ExpressionValue auth(String user) {
    return user.equals("-")
        ? ExpressionValueUtils.NULL
        : map("uid", ExpressionValueUtils.createValue((Object) user));
  }

  private static ExpressionValue map(String name, ExpressionValue value) {
    return ExpressionValue.newBuilder()
        .setMapValue(ExpressionMapValue.newBuilder().putFields(name, value))
        .build();
  }
}
