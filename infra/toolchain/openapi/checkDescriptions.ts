/** Run as a program: does docs/openapi break clients of docs/openapi/released? `--accept` makes it the released one. */

import { copyFile, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { findBreaks } from './breaks.ts';

const current = path.resolve(import.meta.dirname, '../../../docs/openapi');
const released = path.join(current, 'released');

const read = async (folder: string, name: string): Promise<Readonly<Record<string, unknown>>> =>
  JSON.parse(await readFile(path.join(folder, name), 'utf8')) as Readonly<Record<string, unknown>>;
const descriptionsIn = async (folder: string): Promise<readonly string[]> =>
  (await readdir(folder)).filter((name) => name.endsWith('.json')).sort();

const names = await descriptionsIn(current);
const gone = (await descriptionsIn(released)).filter((name) => !names.includes(name));
const breaks = gone.map((name) => `${name}: the whole API is gone`);
for (const name of await descriptionsIn(released)) {
  if (gone.includes(name)) continue;
  const found = findBreaks(await read(released, name), await read(current, name));
  breaks.push(...found.map((line) => `${name}: ${line}`));
}

for (const line of breaks) console.log(line);
if (process.argv.includes('--accept')) {
  for (const name of names) await copyFile(path.join(current, name), path.join(released, name));
  console.log('Accepted: say in CHANGELOG.md what clients have to do.');
} else if (breaks.length > 0) {
  console.log('Clients would break. Keep what was, or see "Changes of the APIs" in docs/development.md.');
  process.exitCode = 1;
}
