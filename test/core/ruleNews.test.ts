import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { ruleNews as news } from "../../src/core/ruleNews.ts";
import type { Rule } from "../../src/core/rule.ts";

const words = (...argv: readonly string[]) => ({ words: [...argv], more: true });
const noPush: Rule = {
  id: "no-push",
  decision: "deny",
  tool: "exec",
  command: words("git", "push"),
};
const askNpm: Rule = { id: "ask-npm", decision: "ask", tool: "exec", command: words("npm") };
const noDocs: Rule = { id: "no-docs", decision: "deny", tool: "write_file", path: "docs/" };
const sneaky: Rule = { id: "sneaky", decision: "allow", tool: "*" };
const have = (...rules: readonly Rule[]) => ({ rules });
const unreadable = {
  problem: "cairn.rules.json, line 1, column 2: this is not JSON. Mend it there.",
};

/** In words alone. */
function ruleNews(...versions: Parameters<typeof news>) {
  const { risk, says } = news(...versions);
  return { risk, says };
}

suite("what a change of a folder's rules is said to do", () => {
  test("a rule that comes is said as it will hold, and that it tightens", () => {
    assert.deepEqual(ruleNews(null, have(noPush, askNpm)), {
      risk: null,
      says: [
        "Nothing is allowed by it that was not before.",
        "Asks before commands that begin with npm.",
        "Denies commands that begin with git push.",
      ],
    });
  });

  test("a rule that goes is a loosening, and is said before those that come", () => {
    assert.deepEqual(ruleNews(have(noPush, askNpm), have(noDocs)), {
      risk: "This loosens: 2 rules would no longer hold agents back in this folder as before.",
      says: [
        "No longer asks before commands that begin with npm.",
        "No longer denies commands that begin with git push.",
        "Denies every call of write_file in docs/.",
      ],
    });
    assert.deepEqual(ruleNews(have(noPush), null).says, [
      "No longer denies commands that begin with git push.",
    ]);
  });

  test("a rule that becomes another one is one sentence, and loosens unless it only became stricter", () => {
    const asks: Rule = { ...noPush, decision: "ask" };
    assert.deepEqual(ruleNews(have(noPush), have(asks)), {
      risk: "This loosens: 1 rule would no longer hold agents back in this folder as before.",
      says: [
        "No longer denies commands that begin with git push. Instead it asks before commands that begin with git push.",
      ],
    });
    assert.deepEqual(ruleNews(have(asks), have(noPush)), {
      risk: null,
      says: [
        "Nothing is allowed by it that was not before.",
        "No longer asks before commands that begin with git push. Instead it denies commands that begin with git push.",
      ],
    });
    const narrow: Rule = { ...noPush, command: words("git", "push", "--force") };
    assert.match(ruleNews(have(noPush), have(narrow)).risk ?? "", /^This loosens: 1 rule/);
  });

  test("a denial that turns into an allow loosens, and the allow is said to be ignored", () => {
    assert.deepEqual(ruleNews(have(noPush), have({ ...noPush, decision: "allow" }, sneaky)), {
      risk: "This loosens: 1 rule would no longer hold agents back in this folder as before.",
      says: [
        "No longer denies commands that begin with git push.",
        "Tries to allow commands that begin with git push: this is ignored, for a folder can only deny and ask.",
        "Tries to allow every call of every tool: this is ignored, for a folder can only deny and ask.",
      ],
    });
  });

  test("the same denial under another id, with a note or twice is no news", () => {
    const again: Rule = { ...noPush, id: "again", note: "why not" };
    const none = {
      risk: null,
      says: ["No rule that counts comes, goes or changes."],
    };
    assert.deepEqual(ruleNews(have(noPush), have(again)), none);
    assert.deepEqual(ruleNews(have(noPush, again), have(noPush)), none);
    assert.deepEqual(ruleNews(null, have()), none);
  });

  test("a file that could not be read is said to ask about everything, and to deny nothing any more", () => {
    assert.deepEqual(ruleNews(have(noPush, askNpm), unreadable), {
      risk: "This loosens: the rules of this folder could not be read any more, and what they deny would only be asked about.",
      says: [
        unreadable.problem,
        "Until then everything is asked about; where nobody is there to answer, that is a no. Where Cairn runs already, it goes by the rules as they were.",
        "No longer asks before commands that begin with npm.",
        "No longer denies commands that begin with git push.",
      ],
    });
    assert.deepEqual(ruleNews(null, unreadable), {
      risk: "The rules of this folder could not be read.",
      says: [
        unreadable.problem,
        "Until then everything is asked about; where nobody is there to answer, that is a no.",
      ],
    });
  });

  test("mending a file that cannot be read ends that everything is asked about", () => {
    assert.deepEqual(ruleNews(unreadable, have(noPush, sneaky)), {
      risk: "This loosens: the rules of this folder cannot be read as they are, so that everything is asked about; this would end that.",
      says: [
        "Denies commands that begin with git push.",
        "Tries to allow every call of every tool: this is ignored, for a folder can only deny and ask.",
      ],
    });
    assert.deepEqual(ruleNews(unreadable, null).says, ["No rule of this folder holds then."]);
  });

  test("rules that come are given as data, too, but for what is ignored", () => {
    const asks: Rule = { ...noPush, decision: "ask" };
    assert.deepEqual(news(have(noPush, noDocs), have(asks, noDocs, sneaky)).adds, [asks]);
    assert.deepEqual(news(unreadable, have(noPush, sneaky)).adds, [noPush]);
    assert.deepEqual(news(have(noPush), unreadable).adds, []);
  });

  test("the order of rules in a file changes no word", () => {
    const asks: Rule = { ...noPush, decision: "ask" };
    const named = (...all: readonly Rule[]) =>
      fc.shuffledSubarray(all.map((rule, at): Rule => Object.assign({}, rule, { id: `r${at}` })));
    const before = named(noPush, askNpm, noDocs, sneaky, noPush, asks);
    const after = named(asks, noPush, askNpm, noDocs, sneaky, noPush);
    fc.assert(
      fc.property(before, after, fc.gen(), (old, now, random) => {
        const mixed = (rules: readonly Rule[]) =>
          random(() =>
            fc.shuffledSubarray([...rules], { minLength: rules.length, maxLength: rules.length }),
          );
        assert.deepEqual(
          ruleNews(have(...mixed(old)), have(...mixed(now))),
          ruleNews(have(...old), have(...now)),
        );
      }),
    );
  });
});
