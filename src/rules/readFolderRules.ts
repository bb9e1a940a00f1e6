import { CairnError } from "../core/errors.ts";
import { folderRules } from "../core/rule.ts";
import type { FolderRules } from "../core/ruleNews.ts";
import { parseRules } from "./parseRules.ts";

/** What the text of a folder's file of rules would count as. Throws nothing. */
export function readFolderRules(text: string): FolderRules {
  try {
    return { rules: parseRules(text, folderRules) };
  } catch (error) {
    if (!CairnError.is(error)) throw error;
    return { problem: error.message };
  }
}
