import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { openRedaction, redacted } from '../../../workers/agent/redaction.ts';

const aRule = (...redactLog: string[]) => ({
  ...{ by: 'environment small', maxBytes: null, maxFiles: null, fileTypes: null, publishLog: true },
  redactLog,
});
const address = '[\\w.]+@[\\w.]+';

const redactAll = async (chunks: readonly Buffer[], ...patterns: string[]): Promise<Buffer> =>
  buffer(redacted(Readable.from(chunks), await openRedaction([aRule(...patterns)])));
const redactText = async (text: string, ...patterns: string[]): Promise<string> =>
  (await redactAll([Buffer.from(text)], ...patterns)).toString();

describe('patterns of an output policy', () => {
  test.each([
    ['an address', 'to ann@example.org!\n', [address], 'to [redacted]!\n'],
    ['all of a line, and of a last one without an end', 'a@b c@d\nx\ne@f', [address], '[redacted] [redacted]\nx\n[redacted]'],
    ['several patterns', 'ann@example.org has 12-34\n', [address, '\\d+-\\d+'], '[redacted] has [redacted]\n'],
    ['flags', 'SECRET secret\n', ['(?i)secret'], '[redacted] [redacted]\n'],
    ['anchors, line by line', 'id 1\nid 2\n', ['^id .*$'], '[redacted]\n[redacted]\n'],
    ['nothing', 'plain\r\n\n\nlast\n', [address], 'plain\r\n\n\nlast\n'],
    ['an empty log', '', [address], ''],
  ])('remove %s', async (_what, log, patterns, expected) => {
    expect(await redactText(log, ...patterns)).toBe(expected);
  });

  test('see a line whole, however it arrives', async () => {
    const bytes = Buffer.from('grüße an ann@example.org\nfoo\n');
    const single = Array.from(bytes, (byte) => Buffer.of(byte));
    expect((await redactAll(single, address, 'ü.e')).toString()).toBe('gr[redacted] an [redacted]\nfoo\n');
  });

  test('leave bytes alone that are no text', async () => {
    const bytes = Buffer.from([0xff, 0x00, 0xfe, 0x0a, 0x80]);
    expect(await redactAll([bytes], address)).toEqual(bytes);
  });

  test('never let through a part of a line that is too long to be judged', async () => {
    const text = `short\n${'x'.repeat(40_000)}${' ann@example.org '.repeat(40_000)}\nshort\n`;
    expect(await redactText(text, address)).toBe('short\n[a line of more than 65536 bytes was withheld]\nshort\n');
  });

  test('of the kind that makes other engines hang take no time', async () => {
    expect(await redactText(`${'a'.repeat(50_000)}!\n`, '(a+)+$', '(a|aa)+$')).toBe(`${'a'.repeat(50_000)}!\n`);
  });

  test('are those of all rules; without any the pipe itself is read', async () => {
    const rules = [aRule('one'), aRule(), aRule('two')];
    const redact = await openRedaction(rules);
    expect(redact?.(Buffer.from('one two three')).toString()).toBe('[redacted] [redacted] three');
    const pipe = Readable.from([]);
    expect(redacted(pipe, await openRedaction([aRule()]))).toBe(pipe);
    expect(await openRedaction()).toBeUndefined();
  });
});
