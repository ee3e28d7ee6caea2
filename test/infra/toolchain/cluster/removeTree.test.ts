import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { removeTree } from '../../../../infra/toolchain/cluster/removeTree.ts';
import { runProgram } from '../../../../infra/toolchain/run.ts';

test('folders deeper than a path can name are removed with everything in them', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'durable-c2d-deep-'));
  const dig = `const fs = require('node:fs'); for (let n = 0; n < 3000; n += 1) { fs.mkdirSync('d'); process.chdir('d') } fs.writeFileSync('file', '')`;
  await runProgram(process.execPath, ['-e', dig], { cwd: folder, env: { NODE_OPTIONS: '' } });
  await removeTree(folder);
  expect(existsSync(folder)).toBe(false);
});

test('what is not there is removed already', async () => {
  await expect(removeTree(path.join(tmpdir(), 'durable-c2d-never-made'))).resolves.toBeUndefined();
});
