import { CairnError } from "../core/errors.ts";
import type { Model } from "../core/ports.ts";
import type { SessionSpec } from "../core/records.ts";
import { startDemoServer, type DemoServer } from "./demoServer.ts";
import { OpenAiModel } from "./openAiModel.ts";

/** Makes the model that a session names. The demo server starts with the first call that needs it. */
export class ModelSource {
  readonly #apiKey: (url: string) => Promise<string | null>;
  #demo: ReturnType<typeof startDemoServer> | null = null;

  constructor(apiKey: (url: string) => Promise<string | null>) {
    this.#apiKey = apiKey;
  }

  /** Throws `model.noKey` while there is still nothing to lose. */
  async check(url: string): Promise<void> {
    const key = await this.#apiKey(url);
    if (key !== null && key !== "") return;
    throw new CairnError(
      "model.noKey",
      "There is no API key. Set one with `Cairn: Set API Key`, OPENAI_API_KEY or --api-key-file, or try the demo session.",
    );
  }

  model(spec: SessionSpec["model"]): Model {
    if (!spec.demo) {
      const { url } = spec;
      return new OpenAiModel({ url, apiKey: async () => this.#apiKey(url) });
    }
    return {
      reply: async (request, signal) => {
        const { url, key } = await this.demo();
        const model = new OpenAiModel({ url, apiKey: async () => key });
        return model.reply(request, signal);
      },
    };
  }

  /** The server of demo sessions, with their wiki and channel. Starts when it is first needed. */
  async demo(): Promise<DemoServer> {
    this.#demo ??= startDemoServer();
    return this.#demo;
  }

  async close(): Promise<void> {
    const demo = await this.#demo;
    await demo?.close();
  }
}
