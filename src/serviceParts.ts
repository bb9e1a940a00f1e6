import type { DurableDriver, EditorFacts, GithubAccess, Permissions, World } from "./core/ports.ts";
import type { SessionSpec } from "./core/records.ts";
import type { Profile } from "./core/profileRecord.ts";
import type { Service } from "./core/service.ts";
import { missingSecret } from "./core/secretText.ts";
import { offered, secretsOf } from "./core/serviceGrant.ts";
import { begunCalls, ServiceMeter } from "./core/serviceMeter.ts";
import type { Tool } from "./core/tool.ts";
import { demoTeamUrl } from "./model/demoTeam.ts";
import { demoServices } from "./model/demoTeamScript.ts";
import type { ModelSource } from "./model/modelSource.ts";
import type { Secrets } from "./redaction/secrets.ts";
import { allServices } from "./services/all.ts";
import { noEditor } from "./services/noEditor.ts";
import { serviceHttp } from "./services/serviceHttp.ts";
import { execServiceName, execServiceTool, type ExecServiceOptions } from "./tools/execService.ts";

/** What the editor has for services; a terminal has none of it. */
export interface EditorServices {
  readonly facts: EditorFacts;
  readonly github: GithubAccess;
}

export interface ServicePartsOptions {
  readonly editor: EditorServices | null;
  /** Services of one's own, beside those that ship. */
  readonly own: readonly Service[];
  /** A secret by its name, null when there is none of it. */
  readonly secret: (name: string) => Promise<string | null>;
  readonly secrets: Secrets;
  readonly models: ModelSource;
  readonly driver: DurableDriver;
  readonly world: World;
}

/** The typed services of one workspace, and what a session gets of them. */
export class ServiceParts {
  readonly services: readonly Service[];
  readonly #options: ServicePartsOptions;

  constructor(options: ServicePartsOptions) {
    const { editor, own, secrets } = options;
    const github: GithubAccess = editor?.github ?? noEditor;
    const keeping: GithubAccess = {
      api: () => github.api(),
      token: async (ask) => {
        const token = await github.token(ask);
        secrets.register(token);
        return token;
      },
    };
    this.#options = options;
    this.services = [...allServices(editor?.facts ?? noEditor, keeping), ...own];
  }

  /**
   * What a new session's profile is here. Throws `service.unknown`, `profile.invalid`, and
   * `secret.missing` for a secret of a service that nobody set.
   */
  async offered(given: Profile, demo: boolean): Promise<ReturnType<typeof offered>> {
    const { secrets, editor, secret } = this.#options;
    const allowedServices = { ...given.allowedServices, ...demoServices };
    const profile = demo ? { ...given, allowedServices } : given;
    const found = offered(profile, this.services, editor !== null);
    for (const [name, { url }] of Object.entries(found.profile.allowedServices ?? {})) {
      if (url !== undefined) secrets.checkAddress(url);
      if (demo && url === demoTeamUrl) continue;
      for (const needed of secretsOf({ allowedServices: { [name]: {} } }, this.services)) {
        if ((await secret(needed)) === null) throw missingSecret(needed, `the service ${name}`);
      }
    }
    return found;
  }

  /** The tool of a session, where its profile allows a service, and who decides with its limits. */
  forSession(
    id: string,
    { profile, model }: Pick<SessionSpec, "profile" | "model">,
  ): {
    readonly tools: readonly Tool[];
    readonly limited: (permissions: Permissions) => Permissions;
  } {
    const { driver, world, secrets } = this.#options;
    const meter = new ServiceMeter(
      profile,
      () => world.now(),
      async () => begunCalls(await driver.read(id), execServiceName),
    );
    const tool = execServiceTool({
      services: this.services,
      profile,
      ...this.#way(model.demo),
      redactor: secrets.persisted,
      meter,
    });
    return {
      tools: tool === null ? [] : [tool],
      limited: (permissions) => meter.permissions(permissions),
    };
  }

  /** How calls go out, and as whom. A demo's own services have no other address and no other key. */
  #way(demo: boolean): Pick<ExecServiceOptions, "http" | "secret"> {
    const { models } = this.#options;
    if (!demo) return { http: serviceHttp, secret: async (name) => this.#secret(name) };
    return {
      http: (address, call) => ({
        send: async (request, body) => {
          const own = address === demoTeamUrl ? (await models.demo()).team : null;
          return serviceHttp(own, call).send(request, body);
        },
      }),
      secret: async () => (await models.demo()).key,
    };
  }

  /** Known to be secret before anybody is handed it. */
  async #secret(name: string): Promise<string> {
    const { secret, secrets } = this.#options;
    const value = await secret(name);
    if (value === null) throw missingSecret(name, "this service");
    secrets.register(value);
    return value;
  }
}
