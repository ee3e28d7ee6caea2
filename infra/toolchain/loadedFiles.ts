/** What a program loads of the project: found by the imports of its sources. */

import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../..');

/** Names in imports; the parts around them make the whole. */
export const importName = /(\b(?:from|import)\s*\(?\s*')([^']+)(')/g;

/** A source that a program loads. */
export interface LoadedFile {
  /** from the root of the project */
  readonly file: string;
  /** without its types */
  readonly code: string;
  /** names of packages and of Node's own modules, as written */
  readonly packages: readonly string[];
}

const readSource = (file: string): { readonly code: string; readonly names: readonly string[] } => {
  const code = stripTypeScriptTypes(readFileSync(path.join(root, file), 'utf8'));
  return { code, names: [...code.matchAll(importName)].map(([, , name = '']) => name) };
};

const isOfProject = (name: string): boolean => name.startsWith('.');

/** All of them, each once. @param entry the program's first file, from the root of the project */
export const loadedFilesOf = (entry: string): readonly LoadedFile[] => {
  const loaded: LoadedFile[] = [];
  const files = new Set([entry]);
  // a set tells what is added to it while it is walked
  for (const file of files) {
    const { code, names } = readSource(file);
    for (const name of names.filter(isOfProject)) files.add(path.join(path.dirname(file), name));
    loaded.push({ file, code, packages: names.filter((name) => !isOfProject(name)) });
  }
  return loaded;
};
