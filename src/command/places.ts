import type { CommandPart } from "../core/action.ts";

/** What reading a place comes to. */
export type PlaceEffect = CommandPart["effect"];

/** Where files of the session lie. All else of the place is the system's. */
const own = /^\/(?:workspace|tmp)(?:\/|$)/u;
const harmlessDevices: ReadonlySet<string> = new Set(["/dev", "/dev/null"]);
const ownStreams = /^\/dev\/(?:stdin|stdout|stderr|fd(?:\/\d*)?)$/u;

const secretDirectories: ReadonlySet<string> = new Set([
  ".ssh",
  ".gnupg",
  ".aws",
  ".azure",
  ".kube",
  ".gcloud",
  ".password-store",
]);
const secretFiles = [
  /^\.env(?:\.(?!example$|sample$|template$|dist$).*)?$/u,
  /^[^.].*\.(?:pem|key|p12|pfx|p8|jks|keystore|kdbx|ppk)$/u,
  /^id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?$/u,
  /^\.(?:netrc|pgpass|git-credentials|npmrc|pypirc|htpasswd|my\.cnf|dockercfg|vault-token)$/u,
  /^(?:credentials|secrets?)\.(?:json|ya?ml|toml|ini|txt)$/u,
  /^[gs]?shadow-?$/u,
];
const secretPaths = [
  /^\/proc\/[^/]+\/(?:task\/[^/]+\/)?(?:environ|mem|maps|auxv|fd|cmdline|root|cwd)(?:\/|$)/u,
  /^\/proc\/kcore$/u,
  /^\/(?:root|agent\/secrets|run\/secrets)(?:\/|$)/u,
  /^\/etc\/(?:sudoers|ssl\/private|krb5\.keytab)/u,
  /\/\.docker\/config\.json$/u,
  /\/\.config\/(?:gcloud|gh)(?:\/|$)/u,
];

/** The path from the root, without `.` and `..`; links are not known here. */
export function resolvePath(path: string, cwd: string): string {
  const names: string[] = [];
  for (const name of (path.startsWith("/") ? path : `${cwd}/${path}`).split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return `/${names.join("/")}`;
}

/** What it comes to that a program reads what lies there, with all that is under it. */
export function effectOfPath(path: string, cwd: string): PlaceEffect {
  const whole = resolvePath(path, cwd);
  if (isSecret(whole)) return "secret";
  if (isDevice(whole)) return "device";
  return own.test(whole) || whole === "/dev/null" ? "reads" : "unknown";
}

/** Secrets and devices that a word names, by whatever program; all else is harmless here. */
export function effectOfWord(word: string, cwd: string): PlaceEffect {
  const paths = [word, word.slice(word.indexOf("=") + 1), word.slice(word.indexOf(":") + 1)];
  const effects = new Set(paths.map((path) => effectOfPath(path, cwd)));
  if (effects.has("secret")) return "secret";
  return effects.has("device") ? "device" : "reads";
}

function isSecret(whole: string): boolean {
  const lower = whole.toLowerCase();
  const names = lower.split("/");
  return (
    names.some((name) => secretDirectories.has(name)) ||
    secretFiles.some((pattern) => pattern.test(names.at(-1) ?? "")) ||
    secretPaths.some((pattern) => pattern.test(lower))
  );
}

function isDevice(whole: string): boolean {
  return whole.startsWith("/dev/") && !harmlessDevices.has(whole) && !ownStreams.test(whole);
}
