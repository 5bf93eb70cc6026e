import freemarker.core.Configurable;
import freemarker.ext.beans.BeansWrapperBuilder;
import freemarker.template.*;
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;

/**
 * Renders templates with the real FreeMarker engine, all cases of a plan in one process.
 *
 * Usage: java -cp freemarker.jar Render.java PLAN. The plan is JSON:
 *   {"cases": [{"name", "template": path, "model": path, "out": path, "wrapper": "default"|"beans",
 *               "charset": "UTF-8", "settings": {name: value}}]}
 * Each case writes what was rendered to "out" (also when the rendering failed half way) and one JSON line to standard
 * output: {"name", "error": text or null, "skipped": [settings this engine does not know]}. The first line says which
 * engine it is. A model is JSON; an object with a key that starts with "$" stands for what JSON cannot say, see Special.
 */
public class Render {
    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, "UTF-8");
        freemarker.log.Logger.selectLoggerLibrary(freemarker.log.Logger.LIBRARY_NONE);
        Map<?, ?> plan = (Map<?, ?>) Json.read(Paths.get(args[0]));
        out.println("{\"engine\":" + Json.quote(Configuration.getVersion().toString()) + "}");
        for (Object each : (List<?>) plan.get("cases")) {
            out.println(render((Map<?, ?>) each));
        }
    }

    static String render(Map<?, ?> plan) throws Exception {
        Configuration configuration = new Configuration(Configuration.VERSION_2_3_0);
        configuration.setLocale(Locale.US);
        if ("beans".equals(plan.get("wrapper"))) {
            configuration.setObjectWrapper(new BeansWrapperBuilder(Configuration.VERSION_2_3_0).build());
        }
        List<String> skipped = new ArrayList<>();
        Map<?, ?> settings = plan.get("settings") == null ? Map.of() : (Map<?, ?>) plan.get("settings");
        for (Map.Entry<?, ?> setting : settings.entrySet()) {
            try {
                configuration.setSetting((String) setting.getKey(), (String) setting.getValue());
            } catch (Configurable.UnknownSettingException unknown) {
                skipped.add((String) setting.getKey());
            }
        }
        String charset = plan.get("charset") == null ? "UTF-8" : (String) plan.get("charset");
        String error = null;
        try (Writer to = new OutputStreamWriter(new FileOutputStream((String) plan.get("out")), charset)) {
            String source = Files.readString(Paths.get((String) plan.get("template")), StandardCharsets.UTF_8);
            Template template = new Template("export", new StringReader(source), configuration);
            Object model = Special.model(Json.read(Paths.get((String) plan.get("model"))), configuration.getObjectWrapper());
            template.process(model, to);
        } catch (TemplateException | IOException | RuntimeException failed) {
            error = failed.toString();
        }
        StringBuilder names = new StringBuilder();
        for (String name : skipped) {
            names.append(names.length() == 0 ? "" : ",").append(Json.quote(name));
        }
        return "{\"name\":" + Json.quote((String) plan.get("name"))
            + ",\"error\":" + (error == null ? "null" : Json.quote(error.substring(0, Math.min(2000, error.length()))))
            + ",\"skipped\":[" + names + "]}";
    }
}

/** What a model may hold beside plain JSON; each is an object with one of these keys. */
class Special {
    static Object model(Object json, ObjectWrapper wrapper) throws TemplateModelException {
        if (json instanceof List) {
            List<Object> list = new ArrayList<>();
            for (Object item : (List<?>) json) {
                list.add(model(item, wrapper));
            }
            return list;
        }
        if (!(json instanceof Map)) {
            return json;
        }
        Map<String, Object> map = new LinkedHashMap<>();
        for (Map.Entry<?, ?> entry : ((Map<?, ?>) json).entrySet()) {
            map.put((String) entry.getKey(), model(entry.getValue(), wrapper));
        }
        if (map.containsKey("$number")) {
            return Double.valueOf((String) map.get("$number"));
        }
        if (map.containsKey("$date")) {
            return new SimpleDate(new Date(((Number) map.get("$date")).longValue()), TemplateDateModel.DATETIME);
        }
        if (map.containsKey("$null")) {
            return new NullObject();
        }
        if (map.containsKey("$text")) {
            return (TemplateScalarModel) () -> {
                throw new TemplateModelException("text not to be had");
            };
        }
        if (map.containsKey("$collection")) {
            return new SimpleCollection((Collection<?>) map.get("$collection"), wrapper);
        }
        if (map.containsKey("$list")) {
            return new BreakingList((List<?>) map.get("$list"), ((Number) map.get("$breaks")).intValue(), wrapper);
        }
        if (map.containsKey("$stream")) {
            return new BreakingStream((List<?>) map.get("$stream"), ((Number) map.get("$breaks")).intValue(), wrapper);
        }
        if (map.containsKey("$throws")) {
            return new ThrowingHash(map, (String) map.remove("$throws"), wrapper);
        }
        return map;
    }

    /** The null of a JSON library: an object that prints as "null". */
    public static class NullObject {
        @Override
        public String toString() {
            return "null";
        }
    }

    /** A hash that throws for one key; for "*" it throws for every key that it does not have. */
    static class ThrowingHash implements TemplateHashModel {
        private final Map<String, Object> map;
        private final String key;
        private final ObjectWrapper wrapper;

        ThrowingHash(Map<String, Object> map, String key, ObjectWrapper wrapper) {
            this.map = map;
            this.key = key;
            this.wrapper = wrapper;
        }

        @Override
        public TemplateModel get(String asked) throws TemplateModelException {
            if (asked.equals(key) || (key.equals("*") && !map.containsKey(asked))) {
                throw new TemplateModelException("key not to be had: " + asked + " \"<&>'\n");
            }
            return wrapper.wrap(map.get(asked));
        }

        @Override
        public boolean isEmpty() {
            return false;
        }
    }

    /** A sequence that throws from one index on, though it claims its whole size. */
    static class BreakingList implements TemplateSequenceModel {
        private final List<?> list;
        private final int breaks;
        private final ObjectWrapper wrapper;

        BreakingList(List<?> list, int breaks, ObjectWrapper wrapper) {
            this.list = list;
            this.breaks = breaks;
            this.wrapper = wrapper;
        }

        @Override
        public TemplateModel get(int index) throws TemplateModelException {
            if (index >= breaks) {
                throw new TemplateModelException("element not to be had: " + index);
            }
            return wrapper.wrap(list.get(index));
        }

        @Override
        public int size() {
            return list.size();
        }
    }

    /** A collection, which has no size, whose iterator throws at one element. */
    static class BreakingStream implements TemplateCollectionModel {
        private final List<?> list;
        private final int breaks;
        private final ObjectWrapper wrapper;

        BreakingStream(List<?> list, int breaks, ObjectWrapper wrapper) {
            this.list = list;
            this.breaks = breaks;
            this.wrapper = wrapper;
        }

        @Override
        public TemplateModelIterator iterator() {
            return new TemplateModelIterator() {
                private int next = 0;

                @Override
                public boolean hasNext() {
                    return next < list.size();
                }

                @Override
                public TemplateModel next() throws TemplateModelException {
                    if (next >= breaks) {
                        throw new TemplateModelException("element not to be had: " + next);
                    }
                    return wrapper.wrap(list.get(next++));
                }
            };
        }
    }
}

/** The least JSON that a plan and a model need: read whole, objects in the order of the file, integers as long. */
class Json {
    private final String text;
    private int at = 0;

    private Json(String text) {
        this.text = text;
    }

    static Object read(Path path) throws IOException {
        return new Json(Files.readString(path, StandardCharsets.UTF_8)).value();
    }

    static String quote(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\' || c < 0x20) {
                quoted.append(String.format("\\u%04x", (int) c));
            } else {
                quoted.append(c);
            }
        }
        return quoted.append('"').toString();
    }

    private char peek() {
        while (Character.isWhitespace(text.charAt(at))) {
            at++;
        }
        return text.charAt(at);
    }

    private boolean took(char wanted) {
        boolean there = peek() == wanted;
        if (there) {
            at++;
        }
        return there;
    }

    private Object value() {
        switch (peek()) {
            case '{': return object();
            case '[': return array();
            case '"': return string();
            case 't': at += 4; return Boolean.TRUE;
            case 'f': at += 5; return Boolean.FALSE;
            case 'n': at += 4; return null;
            default: return number();
        }
    }

    private Map<String, Object> object() {
        Map<String, Object> map = new LinkedHashMap<>();
        at++;
        while (!took('}')) {
            took(',');
            peek();
            String key = string();
            took(':');
            map.put(key, value());
        }
        return map;
    }

    private List<Object> array() {
        List<Object> list = new ArrayList<>();
        at++;
        while (!took(']')) {
            took(',');
            list.add(value());
        }
        return list;
    }

    private Number number() {
        int start = at;
        while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
        String digits = text.substring(start, at);
        if (digits.matches("-?[0-9]+")) {
            java.math.BigInteger whole = new java.math.BigInteger(digits);
            return whole.bitLength() < 64 ? (Number) whole.longValue() : whole;
        }
        return Double.valueOf(digits);
    }

    private String string() {
        StringBuilder read = new StringBuilder();
        at++;
        while (text.charAt(at) != '"') {
            char c = text.charAt(at++);
            read.append(c == '\\' ? escaped() : c);
        }
        at++;
        return read.toString();
    }

    private char escaped() {
        char c = text.charAt(at++);
        switch (c) {
            case 'n': return '\n';
            case 'r': return '\r';
            case 't': return '\t';
            case 'b': return '\b';
            case 'f': return '\f';
            case 'u':
                at += 4;
                return (char) Integer.parseInt(text.substring(at - 4, at), 16);
            default: return c;
        }
    }
}
