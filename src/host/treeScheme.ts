/** Scheme of the files of a stored tree. */
export const treeScheme = "cairn-tree";
