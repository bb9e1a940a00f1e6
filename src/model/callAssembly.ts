import * as z from "zod";
import type { ToolCall } from "../core/records.ts";
import { malformed } from "./modelFailure.ts";

const maxCalls = 128;

/** Ids become step names and file-safe keys; another one is replaced, never repaired. */
const usableId = /^[\w.-]{1,128}$/;

/** A piece of a tool call as it is on the wire. Some providers send arguments as an object. */
export const callFragment = z.object({
  index: z.nullish(z.number()),
  id: z.nullish(z.string()),
  function: z.nullish(
    z.object({
      name: z.nullish(z.string()),
      arguments: z.nullish(z.union([z.string(), z.record(z.string(), z.unknown())])),
    }),
  ),
});

interface Piece {
  readonly id: string;
  readonly name: string;
  readonly args: string;
}

interface OpenCall {
  readonly index: number;
  id: string;
  name: string;
  args: string;
}

/**
 * Puts fragments of tool calls together. The index says which call a fragment belongs to, except
 * with providers that give every call the same one: there a new id or a name after whole arguments
 * starts the next call.
 */
export class CallAssembly {
  readonly #calls: OpenCall[] = [];
  #lastIndex = 0;

  /** Takes the fragments of one event. */
  add(fragments: readonly z.infer<typeof callFragment>[]): void {
    const named = new Set<OpenCall>();
    for (const fragment of fragments) {
      this.#lastIndex = fragment.index ?? this.#lastIndex;
      const piece = pieceOf(fragment);
      const call = this.#find(piece.id);
      const opened =
        call === undefined || (piece.name !== "" && named.has(call)) || startsNext(call, piece)
          ? this.#open()
          : call;
      join(opened, piece);
      if (piece.name !== "") named.add(opened);
    }
  }

  /** The calls with distinct ids, none of them in `taken`. The same stream gives the same ids. */
  finish(taken: ReadonlySet<string>): ToolCall[] {
    const given = new Set(this.#calls.map((call) => call.id));
    const used = new Set(taken);
    return this.#calls.map((call, position) => {
      if (call.name === "") throw malformed("a tool call has no name");
      let id = call.id;
      if (!usableId.test(id) || used.has(id)) {
        let number = position + 1;
        while (used.has(`call_${number}`) || given.has(`call_${number}`)) number += 1;
        id = `call_${number}`;
      }
      used.add(id);
      // A tool without parameters is called with nothing at all by some providers.
      return { id, tool: call.name, args: call.args === "" ? "{}" : call.args };
    });
  }

  #find(id: string): OpenCall | undefined {
    const here = this.#calls.filter((call) => call.index === this.#lastIndex);
    return here.findLast((call) => id !== "" && call.id === id) ?? here.at(-1);
  }

  #open(): OpenCall {
    if (this.#calls.length === maxCalls) {
      throw malformed(`it asks for more than ${maxCalls} tool calls at once`);
    }
    const call = { index: this.#lastIndex, id: "", name: "", args: "" };
    this.#calls.push(call);
    return call;
  }
}

function pieceOf(fragment: z.infer<typeof callFragment>): Piece {
  const args = fragment.function?.arguments ?? "";
  return {
    id: fragment.id ?? "",
    name: fragment.function?.name ?? "",
    args: typeof args === "string" ? args : JSON.stringify(args),
  };
}

function startsNext(call: OpenCall, piece: Piece): boolean {
  const otherId = piece.id !== "" && piece.id !== call.id;
  if (otherId && call.id !== "") return true;
  if (piece.name === "" || !isWholeObject(call.args)) return false;
  return otherId || piece.name !== call.name || piece.args.trim() !== "";
}

function join(call: OpenCall, piece: Piece): void {
  // A name may come in parts before the arguments begin, and may be repeated at any time.
  if (call.args === "") {
    const repeated = piece.id !== "" && piece.id === call.id && piece.name === call.name;
    if (!repeated) call.name += piece.name;
  } else if (piece.name !== "" && piece.name !== call.name) {
    throw malformed("two tool calls are mixed into one");
  }
  if (call.id === "") call.id = piece.id;
  call.args += piece.args;
}

function isWholeObject(text: string): boolean {
  if (!text.trimEnd().endsWith("}")) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
