import { parentPort, workerData } from "node:worker_threads";
import { isDead } from "./owner.ts";
import { SqliteStore } from "./sqliteStore.ts";
import { errorData, type Request, type Response, type StoreData } from "./storeProtocol.ts";

/** The store's own thread: the editor never waits for a disk. Requests are done in order. */
function serve(data: StoreData): void {
  let store: SqliteStore | null = null;
  parentPort?.on("message", (request: Request) => {
    let response: Response;
    try {
      store ??= new SqliteStore({ ...data, now: () => Date.now(), dead: isDead });
      response = { id: request.id, ok: true, value: perform(store, request) };
    } catch (error) {
      response = { id: request.id, ok: false, error: errorData(error) };
    }
    parentPort?.postMessage(response);
    if (request.method === "close") parentPort?.close();
  });
}

function perform(store: SqliteStore, request: Request): unknown {
  switch (request.method) {
    case "create":
      return store.create(...request.args);
    case "claim":
      return store.claim(...request.args);
    case "release":
      return store.release(...request.args);
    case "renew":
      return store.renew(...request.args);
    case "append":
      return store.append(...request.args);
    case "read":
      return store.read(...request.args);
    case "summary":
      return store.summary(...request.args);
    case "sessions":
      return store.sessions();
    case "putBlobs":
      return store.putBlobs(...request.args);
    case "getBlob":
      return store.getBlob(...request.args);
    case "close":
      return store.close();
  }
}

serve(workerData);
