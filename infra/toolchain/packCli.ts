/**
 * `npm run pack:cli`: the package of `c2d`, ready to be installed or published. Node strips types of sources in a
 * checkout, but never below `node_modules`: here they are stripped ahead, by Node itself.
 */

import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { importName, loadedFilesOf } from './loadedFiles.ts';
import { runProgram } from './run.ts';

const root = path.resolve(import.meta.dirname, '../..');
/** what the package starts with; whatever it imports of the project comes along, and nothing else */
const entry = 'api/cli/main.ts';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly engines: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

/** Imports of the project's sources become imports of JavaScript. */
const toJavaScript = (code: string): string =>
  code.replaceAll(importName, (whole, before: string, name: string, after: string) =>
    name.startsWith('.') ? `${before}${name.replace(/\.ts$/, '.js')}${after}` : whole,
  );

const packageName = (specifierText: string): string =>
  specifierText
    .split('/')
    .slice(0, specifierText.startsWith('@') ? 2 : 1)
    .join('/');

const manifestOf = (project: Manifest, imported: ReadonlySet<string>): object => ({
  ...{ name: project.name, version: project.version, license: project.license, engines: project.engines },
  description: 'c2d: Compute-to-Data jobs of a durable-c2d service from the command line',
  type: 'module',
  bin: { c2d: entry.replace(/\.ts$/, '.js') },
  dependencies: Object.fromEntries(
    [...imported].sort().map((name) => {
      const version = project.dependencies[name];
      if (version === undefined) throw new Error(`${name} is imported by ${entry} and no dependency of the project`);
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
  const files = loadedFilesOf(entry);
  const packages = files.flatMap((loaded) => loaded.packages).filter((name) => !name.startsWith('node:'));
  for (const { file, code } of files) {
    const target = path.join(folder, file.replace(/\.ts$/, '.js'));
    await mkdir(path.dirname(target), { recursive: true });
    await writeFile(target, toJavaScript(code), { mode: file === entry ? 0o755 : 0o644 });
  }
  const project = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as Manifest;
  await writeFile(
    path.join(folder, 'package.json'),
    `${JSON.stringify(manifestOf(project, new Set(packages.map(packageName))), null, 2)}\n`,
  );
  await writeFile(path.join(folder, 'README.md'), readme);
  await copyFile(path.join(root, 'LICENSE'), path.join(folder, 'LICENSE'));
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
