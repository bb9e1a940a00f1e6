import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { deceptions, visibleText } from "../../src/core/visibleText.ts";

const point = String.fromCodePoint;

/** The attacks of case I9-01: what was sent, what has to stand in its place, and what is said. */
const attacks: readonly (readonly [name: string, text: string, shown: string, said: RegExp])[] = [
  ["right-to-left override", "cat \u202Egpj.sh", "cat ⟨U+202E⟩gpj.sh", /reading direction/],
  ["isolate", "a\u2066b\u2069", "a⟨U+2066⟩b⟨U+2069⟩", /reading direction/],
  ["erase the line", "rm -rf x\u001B[2Kls", "rm -rf x⟨U+001B⟩[2Kls", /terminal sequences/],
  ["concealed text", "ls \u001B[8m; rm x", "ls ⟨U+001B⟩[8m; rm x", /terminal sequences/],
  [
    "link of a terminal",
    "\u001B]8;;http://evil\u0007docs\u001B]8;;\u0007",
    "⟨U+001B⟩]8;;http://evil⟨U+0007⟩docs⟨U+001B⟩]8;;⟨U+0007⟩",
    /terminal sequences/,
  ],
  ["carriage return", "rm x\rls", "rm x⟨U+000D⟩ls", /overwrite/],
  ["backspace", "rm\b\bls", "rm⟨U+0008⟩⟨U+0008⟩ls", /overwrite/],
  ["400 spaces", `ls${" ".repeat(400)}; rm x`, "ls⟨400 spaces⟩; rm x", /padding: 400 spaces/],
  ["60 newlines", `ls${"\n".repeat(60)}rm x`, "ls\n⟨60 line ends⟩\nrm x", /padding: 60 line ends/],
  ["a host", "curl g\u0456thub.com", "curl g⟨U+0456⟩thub.com", /Cyrillic \u0456, drawn like i/],
  ["a path", "cat /etc/p\u0430sswd", "cat /etc/p⟨U+0430⟩sswd", /Cyrillic \u0430, drawn like a/],
  ["zero width space", "git\u200Bhub", "git⟨U+200B⟩hub", /invisible/],
  ["tag characters", `ls${point(0xe0041)}`, "ls⟨U+E0041⟩", /invisible/],
  ["variation selector", "rm\uFE0F x", "rm⟨U+FE0F⟩ x", /invisible/],
  ["Hangul filler", "a\u3164b", "a⟨U+3164⟩b", /invisible/],
  ["fullwidth", "\uFF52\uFF4D x", "⟨U+FF52⟩⟨U+FF4D⟩ x", /another form, \uFF52 for r/],
  ["math letters", `${point(0x1d42b)}m x`, "⟨U+1D42B⟩m x", /another form, .* for r/u],
  ["no-break space", "rm\u00A0x", "rm⟨U+00A0⟩x", /not plain/],
  ["9,000 characters", "x".repeat(9000), "x".repeat(9000), /a long text: 9,000 characters/],
];

suite("text that could deceive", () => {
  for (const [name, text, shown, said] of attacks) {
    test(`${name} is shown as it is, and said`, () => {
      assert.equal(visibleText(text), shown);
      assert.match(deceptions(text).join("\n"), said);
    });
  }

  test("more ways are shown, too: whole words, signs, blanks between lines", () => {
    const others = [
      "\u0441\u0440 a b",
      "curl \u0441\u043E\u0441\u043E.com",
      "cat \u2215etc",
      "git\uFF0Fhub",
      "\u0391pple",
      `ls${" \n".repeat(40)}rm x`,
      `ls${"\t".repeat(40)}rm x`,
      `ls${" \t\n".repeat(40)}rm x`,
      `ls${"\n".repeat(12)}${"\t".repeat(40)}${"\n".repeat(12)}rm x`,
      "a\u2028b",
      "a\uE000b",
      "a\uD800b",
      "a\u009B2Kb",
      "1\uFE0F",
      "x\u200Dy",
    ];
    const missed = others.filter(
      (text) => deceptions(text).length === 0 || visibleText(text) === text,
    );
    assert.deepEqual(missed, []);
  });

  test("plain text of any language, code and emoji stay as they are and are not remarked on", () => {
    const texts = [
      'npm run build && echo "done" > out.txt',
      "for (const a of b) {\n\tif (a !== `${c}`) return;\n}\n",
      "if true; then\n            deep\n                                        deeper\nfi",
      "naïve café Ünïcödé Straße señor ¿qué? l’été “quoted” – dash… ½ ™ © ª º №5",
      "cafe\u0301",
      "日本語のテキスト　全角スペース、と記号。１００円（税込）：ＯＫ？".replace("ＯＫ", "OK"),
      "使用git，然后运行npm；完成！",
      "한국어 텍스트 파일.txt",
      "Привет, мир: файл.txt и ещё один у вас",
      "Все тесты прошли: сорок раз, а хор рос",
      "Καλημέρα κόσμε",
      "Δt = 5 μs, kΩ, σ_n, Δx",
      "שלום עולם",
      "مرحبا بالعالم",
      "हिन्दी पाठ",
      "👍 done 🎉 ❤️ 👨‍👩‍👧‍👦 👩🏽‍💻 🇩🇪 1️⃣ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 ℹ️ ☑️ 🕵️‍♂️",
    ];
    for (const text of texts) {
      assert.equal(visibleText(text), text);
      assert.deepEqual(deceptions(text), [], text);
    }
  });

  test("the line ends of another system are shown, and are not remarked on", () => {
    assert.equal(visibleText("a\r\nb"), "a⟨U+000D⟩\nb");
    assert.deepEqual(deceptions("a\r\nb"), []);
  });

  test("what is shown already stays as it is when it is shown again", () => {
    for (const [, text, shown] of attacks) assert.equal(visibleText(shown), shown, text);
  });

  test("what is long takes its time once, not squared", () => {
    const parts = [
      " ",
      "\n",
      " \n",
      "\u0430",
      "a\u0430",
      "\uFF41",
      "\u200D",
      "👩‍",
      "x/",
      "\u001B[2K",
    ];
    for (const part of parts) {
      const text = part.repeat(Math.ceil(200_000 / part.length));
      const began = process.cpuUsage();
      visibleText(text);
      const { user } = process.cpuUsage(began);
      assert(user < 3_000_000, `${JSON.stringify(part)} took ${user / 1000} ms`);
    }
  });
});
