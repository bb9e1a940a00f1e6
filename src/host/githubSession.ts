import * as vscode from "vscode";
import { CairnError } from "../core/errors.ts";
import type { GithubAccess } from "../core/ports.ts";
import { readSettings } from "./settings.ts";

const githubApi = "https://api.github.com";
/** Issues of private repositories have no scope of their own. */
const scopes = ["repo"];

/**
 * The GitHub session of the editor's accounts. A token goes only where it was issued: another
 * address gets that of GitHub Enterprise.
 */
export const githubSession: GithubAccess = {
  api: () => readSettings(null)["github.url"],
  token: async (ask) => {
    const isGithub = new URL(githubSession.api()).origin === githubApi;
    const provider = isGithub ? "github" : "github-enterprise";
    const detail = "to create the issue or comment that you approved";
    const options = ask ? { createIfNone: { detail } } : { silent: true };
    try {
      const session = await vscode.authentication.getSession(provider, scopes, options);
      if (session !== undefined) return session.accessToken;
    } catch (cause) {
      throw signedOut({ cause });
    }
    throw signedOut({});
  },
};

function signedOut(options: ErrorOptions): CairnError {
  return new CairnError(
    "service.unauthorized",
    "Nobody is signed in to GitHub for Cairn. Nothing was done. The user can sign in from the Accounts menu, or by the question that the next call brings.",
    options,
  );
}
