import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { openLog, type LogOptions } from '../../../workers/agent/log.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'c2d-log-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const aLog = (changes: Partial<LogOptions> = {}) =>
  openLog({
    path: `${folder}/algorithm.log`,
    maxBytes: 1_000,
    isCut: false,
    onCut: () => undefined,
    onGrowth: () => undefined,
    ...changes,
  });

describe('the log', () => {
  test('holds what came through the pipe, readable by offset', async () => {
    const log = await aLog();
    await log.pump(Readable.from([Buffer.from('one\n'), Buffer.from('two\n')]));
    expect(await readFile(log.path, 'utf8')).toBe('one\ntwo\n');
    expect((await log.read(4, 100)).toString()).toBe('two\n');
    expect(await log.read(8, 100)).toHaveLength(0);
  });

  test('is cut with a mark, stays within its limit, and the rest is drained (complaint: a flood of log)', async () => {
    let cuts = 0;
    const log = await aLog({ onCut: () => (cuts += 1) });
    const pipe = Readable.from(Array.from({ length: 100 }, () => Buffer.alloc(100, 'x')));
    await log.pump(pipe);
    const text = await readFile(log.path, 'utf8');
    expect(text).toBe(`${'x'.repeat(744)}\n[the log was cut here, after 744 bytes]\n`);
    expect(log.size()).toBe(text.length);
    expect(pipe.readableEnded).toBe(true);
    expect(cuts).toBe(1);
  });

  test('goes on at its end in another life of the agent, and stays cut', async () => {
    await (await aLog()).pump(Readable.from([Buffer.from('before ')]));
    const second = await aLog();
    await second.pump(Readable.from([Buffer.from('after')]));
    const third = await aLog({ isCut: true });
    await third.pump(Readable.from([Buffer.from(' never')]));
    expect(await readFile(third.path, 'utf8')).toBe('before after');
  });
});
