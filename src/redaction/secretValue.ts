import type { SecretKind } from "../core/redactedMark.ts";
import { isPlaceholder } from "./secretLooks.ts";
import { isSecretWord, kindOfName, speaksOfSecret } from "./secretName.ts";

/** Types, states and empty values: what stands after the name of a secret and is none. */
const ordinary = new Set(
  `string str text varchar char number int integer float boolean bool bytes buffer uint8array any
   unknown object array map json date optional option required hidden disabled enabled redacted
   masked empty none null nil undefined void never true false yes not off default auto inherit
   allow ask deny bearer basic digest plain plaintext file env environment secretstr
   flag option argument parameter value`.split(/\s+/),
);

/** What a person is told about a password, where a text of some words could be one. */
const advice =
  /\b(?:pass ?(?:word|phrase|code)s?|must|please|enter|required|invalid|wrong|your|the|is|are)\b/i;

const version = /^[~^<>=v]*\d{1,6}\.\d{1,6}(?:\.\d{1,6})?(?:[-+][\w.-]*)?$/;
const path = /^[A-Za-z_$][\w$]*(?:(?:\??\.|::|->)#?[A-Za-z_$][\w$]*)+$/;
const typeName = /^(?:[A-Z][a-z]+){2,}$/;
/** What is longer is no word of code or prose, and is not looked at closely. */
const longest = 200;

/** Whether a text in quotes, or a value of JSON, can be the secret that its name says. */
export function isQuotedSecret(kind: SecretKind, value: string): boolean {
  const start = value.slice(0, longest);
  if (isOrdinary(start)) return false;
  if (/\s/.test(start)) return kind === "password" && !advice.test(start);
  if (value.length > longest) return true;
  if (isChosen(kind)) return !namesItself(kind, value);
  if (speaksOfSecret(value) && !/\d/.test(value)) return false;
  return isMixed(value, 6) || value.length >= (kind === "api key" ? 8 : 20);
}

/** A label, `password: "Password"`, or the variable that has it, `secret: "DB_PASSWORD"`. */
function namesItself(kind: SecretKind, value: string): boolean {
  if (isSecretWord(value)) return kindOfName(value) === kind;
  return speaksOfSecret(value) && !/[a-z]/.test(value);
}

/** How a value without quotes stands in its line. */
export interface Standing {
  readonly kind: SecretKind;
  /** All of the name, with what is before its last word. */
  readonly name: string;
  /** `name=value`, as the environment and queries have it. */
  readonly tight: boolean;
  /** The name begins the line and the value ends it. */
  readonly wholeLine: boolean;
  /** The character after the value, empty at the end. */
  readonly next: string;
}

/** Whether a value without quotes can be the secret, and not code or prose that speaks of one. */
export function isBareSecret(value: string, standing: Standing): boolean {
  const { kind, name, tight, wholeLine, next } = standing;
  if (/[([{<]/.test(next) || isOrdinary(value.slice(0, longest))) return false;
  if (value.length > longest) return true;
  if (tight && /[A-Z]/.test(name) && !/[a-z]/.test(name)) return true;
  if (isCode(value)) return false;
  const argument = next === ")" || next === ",";
  if (wholeLine || (tight && !argument)) {
    return isChosen(kind) || isMixed(value, 6) || /^[^_]{20,}$/.test(value);
  }
  return isMixed(value, isChosen(kind) ? 6 : 16);
}

function isCode(value: string): boolean {
  return path.test(value) || speaksOfSecret(value) || typeName.test(value);
}

/** What people choose can be any word; what machines make has digits in it. */
function isChosen(kind: SecretKind): boolean {
  return kind === "password" || kind === "secret" || kind === "aws secret";
}

function isMixed(value: string, least: number): boolean {
  if (value.length < least || !/\d/.test(value)) return false;
  return (
    (/[A-Za-z]/.test(value) && !/^(?:sha|md|base|utf-?|u?int|aes-?|rsa-?)\d+$/i.test(value)) ||
    value.length >= 16
  );
}

function isOrdinary(value: string): boolean {
  const plain = value.trim().toLowerCase();
  return (
    plain.length < 3 ||
    ordinary.has(plain) ||
    isPlaceholder(plain) ||
    version.test(plain) ||
    /^(?:https?:\/\/|urn:|\[\w+\]$)/.test(plain)
  );
}
