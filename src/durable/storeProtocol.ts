import { CairnError, type CairnErrorCode } from "../core/errors.ts";
import type { SharedWrite, SqliteStore } from "./sqliteStore.ts";
import type { RecordTexts } from "./storedRecords.ts";

/** What the store's thread is started with. */
export interface StoreData {
  readonly path: string;
  readonly key: Uint8Array;
  readonly owner: string;
  /** How long a lease holds that is not renewed. The same for every process of a store. */
  readonly leaseMs: number;
}

/** The store's methods that cross the thread border as they are, by name. */
type PlainMethod =
  | "create"
  | "claim"
  | "release"
  | "list"
  | "sessions"
  | "checkStore"
  | "checkSession"
  | "checkBlobs"
  | "checkFile"
  | "recall"
  | "getBlob"
  | "blobsOf"
  | "sizes"
  | "remove"
  | "import"
  | "close";

/** What each call takes and gives back. */
export type StoreCalls = {
  readonly [Method in PlainMethod]: {
    readonly args: Parameters<SqliteStore[Method]>;
    readonly result: ReturnType<SqliteStore[Method]>;
  };
} & {
  readonly append: { readonly args: AppendArgs; readonly result: number };
  readonly putBlobs: { readonly args: PutArgs; readonly result: readonly string[] };
  /** Records come as parts, while the rest is still being read. */
  readonly read: { readonly args: readonly [string, number]; readonly result: void };
  /** Whether to say when another process has written. */
  readonly watch: { readonly args: readonly [boolean]; readonly result: void };
};

type AppendArgs = Extract<SharedWrite, { method: "append" }>["args"];
type PutArgs = Extract<SharedWrite, { method: "putBlobs" }>["args"];

export type StoreMethod = keyof StoreCalls;

type RequestOf<Method extends StoreMethod> = {
  readonly id: number;
  readonly method: Method;
  readonly args: StoreCalls[Method]["args"];
};
export type Request = { [Method in StoreMethod]: RequestOf<Method> }[StoreMethod];

/** An error as it crosses the border: a class does not survive the copy. */
export interface ErrorData {
  readonly code: CairnErrorCode | null;
  readonly message: string;
  readonly details: CairnError["details"];
}

export type Response =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly error: ErrorData };

/** What the store's thread says. */
export type StoreMessage =
  | { readonly kind: "responses"; readonly responses: readonly Response[] }
  | { readonly kind: "part"; readonly id: number; readonly part: RecordTexts }
  | { readonly kind: "changed" };

export function errorData(error: unknown): ErrorData {
  if (CairnError.is(error)) {
    return { code: error.code, message: error.message, details: error.details };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: null, message, details: {} };
}

export function errorFrom(data: ErrorData): Error {
  if (data.code === null) return new Error(data.message);
  return new CairnError(data.code, data.message, { details: data.details });
}
