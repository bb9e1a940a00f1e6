import { effectOf, type Judge, type Kind, worst } from "./grammar.ts";

/** What `find` may be told, and what stands after it. What runs, writes or deletes is not here. */
const primaries: ReadonlyMap<string, Kind | null> = new Map<string, Kind | null>([
  ...names(
    "! ( ) -not -a -and -o -or -prune -print -print0 -ls -quit -true -false -empty -depth -mount -xdev -readable -writable -executable -daystart -nouser -nogroup",
    null,
  ),
  ...names(
    "-name -iname -path -ipath -wholename -iwholename -lname -regex -iregex -regextype -type -xtype -perm -user -group -printf -newermt -newerat -newerct -size -mtime -mmin -atime -amin -ctime -cmin -links -inum -maxdepth -mindepth",
    "text",
  ),
  ...names("-newer -anewer -cnewer -samefile", "path"),
]);

function names(text: string, kind: Kind | null): readonly (readonly [string, Kind | null])[] {
  return text.split(" ").map((name) => [name, kind]);
}

/** Places first, then tests of what lies there. */
export const judgeFind: Judge = (args, cwd) => {
  const first = args.findIndex((word) => /^(?:-.|[(!)]$|,)/u.test(word));
  const places = first === -1 ? args : args.slice(0, first);
  const effects = places.map((place) => effectOf("path", place, cwd));
  for (let at = places.length; at < args.length; at += 1) {
    const kind = primaries.get(args[at] ?? "");
    if (kind === undefined) return worst([...effects, "unknown"]);
    if (kind === null) continue;
    const value = args[(at += 1)];
    if (value === undefined) return worst([...effects, "unknown"]);
    effects.push(effectOf(kind, value, cwd));
  }
  return worst(effects);
};

const unary: ReadonlyMap<string, Kind | null> = new Map([
  ...names("-b -c -d -e -f -g -h -L -p -r -s -u -w -x -S", "path"),
  ...names("-n -z", "text"),
]);
const binary: ReadonlyMap<string, Kind | null> = new Map([
  ...names("= == !=", "text"),
  ...names("-eq -ne -lt -le -gt -ge", "number"),
  ...names("-nt -ot -ef", "path"),
]);

/** One test, possibly turned round. With more words bash and other shells disagree. */
export const judgeTest: Judge = (args, cwd) => {
  const [first = "", second = "", third = ""] = args;
  if (first === "!") return args.length > 1 ? judgeTest(args.slice(1), cwd) : "unknown";
  if (args.length === 2) {
    const kind = unary.get(first) ?? null;
    return kind === null ? "unknown" : effectOf(kind, second, cwd);
  }
  const kind = args.length === 3 ? (binary.get(second) ?? null) : null;
  if (kind === null) return "unknown";
  return worst([effectOf(kind, first, cwd), effectOf(kind, third, cwd)]);
};
