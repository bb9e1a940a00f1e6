import { CairnError, type CairnErrorCode } from "../core/errors.ts";
import type { SqliteStore } from "./sqliteStore.ts";

/** What the store's thread is started with. */
export interface StoreData {
  readonly path: string;
  readonly key: Uint8Array;
  readonly owner: string;
}

/** The store's methods that cross the thread border, by name. */
export type StoreMethod =
  | "create"
  | "claim"
  | "release"
  | "renew"
  | "append"
  | "read"
  | "summary"
  | "sessions"
  | "putBlobs"
  | "getBlob"
  | "close";

export type StoreArgs<Method extends StoreMethod> = Parameters<SqliteStore[Method]>;
export type StoreResult<Method extends StoreMethod> = ReturnType<SqliteStore[Method]>;

type RequestOf<Method extends StoreMethod> = {
  readonly id: number;
  readonly method: Method;
  readonly args: StoreArgs<Method>;
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
