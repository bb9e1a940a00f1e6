/** Letters of other scripts with the Latin letter that they are drawn like. */
const drawnLike: ReadonlyMap<string, string> = new Map(
  [
    "аaеeоoрpсcуyхxіiјjѕsһhԁdԛqԝwкkАAВBЕEКKМMНHОOРPСCТTХXУYІIЈJЅS",
    "ΑAΒBΕEΖZΗHΙIΚKΜMΝNΟOΡPΤTΥYΧXοoνvρpιiκkαaγyυuχx",
    "օoսuհhոnցgɑaɡg",
  ]
    .flatMap((pairs) => pairs.match(/../gu) ?? [])
    .map((pair) => [pair.slice(0, 1), pair.slice(1)]),
);

const scripts = ["Cyrillic", "Greek", "Armenian", "Cherokee", "Coptic", "Lisu"] as const;
const ofScript = scripts.map(
  (name) => [name, new RegExp(String.raw`\p{Script=${name}}`, "u")] as const,
);
const ofScripts =
  /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}\p{Script=Coptic}\p{Script=Lisu}\u0251\u0261]/u;
/** Scripts whose letters have no business inside a Latin word; Greek ones are also units and symbols. */
const foreign =
  /[\p{Script=Cyrillic}\p{Script=Armenian}\p{Script=Cherokee}\p{Script=Coptic}\p{Script=Lisu}]/u;
const latin = /\p{Script=Latin}/u;
const wordParts = /[\p{L}\p{M}\p{N}]+/gu;
/** What is read as one name: a host, a path, an address. */
const names = /[\p{L}\p{M}\p{N}._:@/\\-]+/gu;

/** Letters and signs that compatibility forms make of plain ones, where they stand for these. */
const otherForms =
  /[\uFF21-\uFF3A\uFF41-\uFF5A\u{1D400}-\u{1D7FF}\u2102-\u2138]|(?<=[\w\uFF21-\uFF5A])[\uFF01-\uFF5E\u2215\u29F8\u2024\u037E\u2236\uA789]|[\uFF01-\uFF5E\u2215\u29F8\u2024\u037E\u2236\uA789](?=[\w\uFF21-\uFF5A])/gu;
/** What Chinese and Japanese texts put beside a Latin word, too. */
const usualBeside = /[！，．：；？（）～％＆＜＞＋－＝]/u;

/** One character that is taken for another one. */
export interface LookAlike {
  readonly at: number;
  readonly character: string;
  /** What it is, in words. */
  readonly name: string;
}

/** Every letter and sign that is drawn like a plain one and is another one, in order. */
export function lookAlikes(text: string): readonly LookAlike[] {
  return [...mixed(text), ...forms(text)].toSorted((one, two) => one.at - two.at);
}

/** Letters of another script inside a Latin word, and whole words that only look Latin. */
function mixed(text: string): readonly LookAlike[] {
  if (!ofScripts.test(text)) return [];
  const words = [...text.matchAll(wordParts)].map(({ 0: word, index }) => {
    const isLatin = latin.test(word);
    return { word, index, isLatin, disguised: !isLatin && isDrawnLatin(word) };
  });
  const spoken = words.some(({ word, isLatin, disguised }) => {
    return !isLatin && !disguised && ofScripts.test(word);
  });
  const everywhere = !spoken && latin.test(text);
  const latinNames = [...text.matchAll(names)].filter(({ 0: name }) => latin.test(name));
  let next = 0;
  return words.flatMap(({ word, index, isLatin, disguised }) => {
    if (isLatin) return lettersOf(word, index);
    if (!disguised) return [];
    while ((latinNames[next]?.index ?? Infinity) + (latinNames[next]?.[0].length ?? 0) <= index) {
      next += 1;
    }
    const inName = (latinNames[next]?.index ?? Infinity) <= index;
    return inName || everywhere ? lettersOf(word, index) : [];
  });
}

function lettersOf(word: string, from: number): readonly LookAlike[] {
  const found: LookAlike[] = [];
  let at = from;
  for (const character of word) {
    const like = drawnLike.get(character);
    if (like !== undefined || foreign.test(character)) {
      const as = like === undefined ? "" : `, drawn like ${like}`;
      found.push({ at, character, name: `${scriptOf(character)} ${character}${as}` });
    }
    at += character.length;
  }
  return found;
}

function forms(text: string): readonly LookAlike[] {
  return [...text.matchAll(otherForms)].flatMap(({ 0: character, index }) => {
    const like = character.normalize("NFKC");
    if (usualBeside.test(character)) return [];
    // Degrees, numbers and the like stand for more than one letter, and are meant.
    if (/[\u2102-\u2138]/u.test(character) && !/^[A-Za-z]$/.test(like)) return [];
    const as = like === character ? "" : ` for ${like}`;
    return [{ at: index, character, name: `another form, ${character}${as}` }];
  });
}

/** A word of other scripts that consists of nothing but letters that are drawn like Latin ones. */
function isDrawnLatin(word: string): boolean {
  return ofScripts.test(word) && Array.from(word).every((letter) => isLike(letter));
}

function isLike(letter: string): boolean {
  return drawnLike.has(letter) || /\p{N}/u.test(letter);
}

function scriptOf(character: string): string {
  return ofScript.find(([, script]) => script.test(character))?.[0] ?? "phonetic";
}
