/** What the shell is told. `usage`: the command line asked for something that is not there, and nothing was changed. */
export const exitCodes = { done: 0, failed: 1, usage: 2, waiting: 3, denied: 4 } as const;
