/**
 * `npm run pack:cli`: the package of `c2d`, ready to be installed or published. Node strips types of sources in a
 * checkout, but never below `node_modules`: here they are stripped ahead, by Node itself.
 */

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runProgram } from './run.ts';

const root = path.resolve(import.meta.dirname, '../..');
const sources = 'api/cli';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly engines: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

const specifier = /(\b(?:from|import)\s*\(?\s*')([^']+)(')/g;

/** What a stripped file imports, as written. */
const importsOf = (code: string): readonly string[] => [...code.matchAll(specifier)].map(([, , name = '']) => name);

/** @throws Error for a file that needs more of the project than its own folder */
const toJavaScript = async (file: string): Promise<string> => {
  const code = stripTypeScriptTypes(await readFile(path.join(root, sources, file), 'utf8'));
  const outside = importsOf(code).find((name) => name.startsWith('../'));
  if (outside !== undefined) throw new Error(`${sources}/${file} imports ${outside}, which is not part of the package`);
  return code.replaceAll(specifier, (whole, before: string, name: string, after: string) =>
    name.startsWith('./') ? `${before}${name.replace(/\.ts$/, '.js')}${after}` : whole,
  );
};

const packageName = (specifierText: string): string =>
  specifierText
    .split('/')
    .slice(0, specifierText.startsWith('@') ? 2 : 1)
    .join('/');

const manifestOf = (project: Manifest, imported: ReadonlySet<string>): object => ({
  ...{ name: project.name, version: project.version, license: project.license, engines: project.engines },
  description: 'c2d: Compute-to-Data jobs of a durable-c2d service from the command line',
  type: 'module',
  bin: { c2d: `${sources}/main.js` },
  dependencies: Object.fromEntries(
    [...imported].sort().map((name) => {
      const version = project.dependencies[name];
      if (version === undefined) throw new Error(`${name} is imported by ${sources} and no dependency of the project`);
      return [name, version];
    }),
  ),
});

const readme = `# c2d

The command line of a durable-c2d service: environments, check, start, watch, logs, results, stop.

    c2d --url https://provider.example --key-file key environments
    c2d --help
`;

/** Writes what the package has. */
const stage = async (folder: string): Promise<void> => {
  await mkdir(path.join(folder, sources), { recursive: true });
  const imported = new Set<string>();
  for (const file of (await readdir(path.join(root, sources))).filter((name) => name.endsWith('.ts'))) {
    const code = await toJavaScript(file);
    for (const name of importsOf(code)) if (!/^(\.|node:)/.test(name)) imported.add(packageName(name));
    const mode = file === 'main.ts' ? 0o755 : 0o644;
    await writeFile(path.join(folder, sources, file.replace(/\.ts$/, '.js')), code, { mode });
  }
  const project = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as Manifest;
  await writeFile(path.join(folder, 'package.json'), `${JSON.stringify(manifestOf(project, imported), null, 2)}\n`);
  await writeFile(path.join(folder, 'README.md'), readme);
};

/**
 * Makes the package, with no more of the project than the command line and no dependency that it does not import.
 * @param target folder for the archive
 * @returns path of the archive
 */
export const packCli = async (target: string): Promise<string> => {
  const staging = await mkdtemp(path.join(tmpdir(), 'durable-c2d-pack-'));
  try {
    await stage(staging);
    await mkdir(target, { recursive: true });
    const packed = await runProgram('npm', ['pack', staging, '--pack-destination', target, '--loglevel=error'], { timeoutMs: 60_000 });
    return path.join(target, packed.trim().split('\n').at(-1) ?? '');
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
};
