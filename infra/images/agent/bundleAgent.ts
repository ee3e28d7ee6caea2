/** The agent as one file of plain JavaScript: a pod waits for it, and twenty modules take three times as long to load. */

import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { transform, type Options } from '@swc/core';

const options: Options = {
  swcrc: false,
  configFile: false,
  jsc: { target: 'es2024', parser: { syntax: 'typescript' } },
  module: { type: 'commonjs', importInterop: 'none', ignoreDynamic: true },
};

/** Runs each module once, in a scope of its own, when it is first asked for. */
const loader = `'use strict';
const modules = new Map();
const load = (name) => {
  if (!name.startsWith('./')) return require(name);
  const known = modules.get(name);
  if (known !== undefined) return known;
  const exported = {};
  modules.set(name, exported);
  definitions[name](exported, load);
  return exported;
};
`;

/**
 * All modules of a folder as one CommonJS program that begins with `main.ts`. Modules import each other as `./name.ts`
 * and nothing else but what Node brings along, and in `import()` what lies beside the bundle; no test file may lie beside them.
 * @returns the program's text; the same sources give the same text
 */
export const bundleAgent = async (sources: string): Promise<string> => {
  const names = (await readdir(sources)).filter((name) => name.endsWith('.ts')).sort();
  const definitions = await Promise.all(
    names.map(async (name) => {
      const { code } = await transform(await readFile(path.join(sources, name), 'utf8'), options);
      return `${JSON.stringify(`./${name}`)}(exports, require) {\n${code}},\n`;
    }),
  );
  return `${loader}const definitions = {\n${definitions.join('')}};\nload('./main.ts');\n`;
};
