package dev.thaw.oci;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * What a token must permit: resources with their actions, as in {@code repository:library/nginx:pull,push} (distribution
 * project, "Token Scope Documentation").
 *
 * @param grants resource ({@code repository:library/nginx}) to actions
 */
record Scope(SortedMap<String, SortedSet<String>> grants) {
    static Scope pull(Reference repository) {
        return of("repository:" + repository.repository(), Set.of("pull"));
    }

    static Scope push(Reference repository) {
        return of("repository:" + repository.repository(), Set.of("pull", "push"));
    }

    static Scope delete(Reference repository) {
        return of("repository:" + repository.repository(), Set.of("pull", "delete"));
    }

    /** To put a blob of one repository into another without sending it. */
    static Scope mount(Reference target, String fromRepository) {
        return push(target).and(of("repository:" + fromRepository, Set.of("pull")));
    }

    /** Reads the {@code scope} parameter of a challenge; words of another form are passed over. */
    static Scope parse(String parameter) {
        var scope = new Scope(new TreeMap<>());
        for (var word : parameter.strip().split(" +")) {
            var colon = word.lastIndexOf(':');
            if (colon > 0 && word.indexOf(':') < colon) {
                scope = scope.and(of(
                        word.substring(0, colon),
                        Arrays.asList(word.substring(colon + 1).split(","))));
            }
        }
        return scope;
    }

    private static Scope of(String resource, Iterable<String> actions) {
        var sorted = new TreeSet<String>();
        actions.forEach(sorted::add);
        return new Scope(new TreeMap<>(Map.of(resource, sorted)));
    }

    Scope and(Scope other) {
        var sum = new TreeMap<String, SortedSet<String>>();
        grants.forEach((resource, actions) -> sum.put(resource, new TreeSet<>(actions)));
        other.grants.forEach((resource, actions) ->
                sum.computeIfAbsent(resource, added -> new TreeSet<>()).addAll(actions));
        return new Scope(sum);
    }

    /** Whether what this permits includes the other. */
    boolean covers(Scope other) {
        return other.grants.entrySet().stream().allMatch(entry -> {
            var mine = grants.get(entry.getKey());
            return mine != null && mine.containsAll(entry.getValue());
        });
    }

    /** One {@code scope} parameter for each resource. */
    List<String> parameters() {
        return grants.entrySet().stream()
                .map(entry -> entry.getKey() + ":" + String.join(",", entry.getValue()))
                .toList();
    }

    /** The parameters in one, as OAuth 2 writes scopes. */
    @Override
    public String toString() {
        return String.join(" ", parameters());
    }
}
