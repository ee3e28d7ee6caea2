import { gather } from '../../../infra/ledger/gather.ts';

/** A store whose statements end when they are told to. */
const aStore = () => {
  const rows = new Map<string, string>();
  const statements: { readonly keys: readonly string[]; end(): void; fail(err: Error): void }[] = [];
  const readMany = (keys: readonly string[]): Promise<ReadonlyMap<string, string>> =>
    new Promise((resolve, reject) => {
      // what a statement sees is decided when it begins
      const seen = new Map(keys.flatMap((key) => (rows.has(key) ? [[key, rows.get(key)!] as const] : [])));
      statements.push({ keys, end: () => resolve(seen), fail: reject });
    });
  return { rows, statements, read: gather(readMany) };
};

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('gather', () => {
  test('a lonely read is asked at once, and a key without a row is null', async () => {
    const { rows, statements, read } = aStore();
    rows.set('a', 'A');
    const [found, missing] = [read('a'), read('b')];
    expect(statements.map(({ keys }) => keys)).toEqual([['a']]);
    statements[0]!.end();
    await expect(found).resolves.toBe('A');
    statements[1]!.end();
    await expect(missing).resolves.toBeNull();
  });

  test('who asks while a statement is under way goes with the next one, all together', async () => {
    const { rows, statements, read } = aStore();
    for (const key of ['a', 'b', 'c']) rows.set(key, key.toUpperCase());
    const reads = ['a', 'b', 'c', 'b', 'none'].map(read);
    statements[0]!.end();
    await turn();
    expect(statements.map(({ keys }) => keys)).toEqual([['a'], ['b', 'c', 'none']]);
    statements[1]!.end();
    await expect(Promise.all(reads)).resolves.toEqual(['A', 'B', 'C', 'B', null]);
  });

  test('a read sees what was written before it was asked for, also when the same row is being read already', async () => {
    const { rows, statements, read } = aStore();
    rows.set('a', 'old');
    const before = read('a');
    rows.set('a', 'new');
    const after = read('a');
    statements[0]!.end();
    await turn();
    statements[1]!.end();
    await expect(Promise.all([before, after])).resolves.toEqual(['old', 'new']);
  });

  test('a failure reaches all who asked together, and nobody else', async () => {
    const { rows, statements, read } = aStore();
    rows.set('c', 'C');
    const first = read('a');
    const [second, third] = [read('b'), read('c')];
    const failures = Promise.allSettled([first, second]);
    statements[0]!.fail(new Error('away'));
    await turn();
    statements[1]!.fail(new Error('still away'));
    await expect(third).rejects.toThrow('still away');
    expect((await failures).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const again = read('c');
    statements[2]!.end();
    await expect(again).resolves.toBe('C');
  });

  test('a crowd is read in portions', async () => {
    const { statements, read } = aStore();
    const reads = Array.from({ length: 500 }, (_, index) => read(`key ${index}`));
    for (let next = 0; next < 4; next += 1) {
      statements[next]!.end();
      await turn();
    }
    await expect(Promise.all(reads)).resolves.toEqual(Array.from({ length: 500 }, () => null));
    expect(statements.map(({ keys }) => keys.length)).toEqual([1, 200, 200, 99]);
  });
});
