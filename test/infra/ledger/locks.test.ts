import { exclusively } from '../../../infra/ledger/locks.ts';
import { openTestLedger, type TestLedger } from '../../support/databases.ts';

let one: TestLedger;
beforeAll(async () => {
  one = await openTestLedger();
});
afterAll(() => one.close());

describe('exclusively', () => {
  test('works of one name never overlap, and each tells its own result or failure', async () => {
    let running = 0;
    let most = 0;
    const work = (k: number) => async () => {
      most = Math.max(most, (running += 1));
      await new Promise(setImmediate);
      running -= 1;
      if (k === 3) throw new TypeError('its own');
      return k;
    };
    const turns = Array.from({ length: 8 }, (_, k) => one.ledger.exclusively('the same', work(k)));
    const outcomes = await Promise.allSettled(turns);
    expect(most).toBe(1);
    expect(outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))).toEqual([0, 1, 2, 4, 5, 6, 7]);
    await expect(turns[3]).rejects.toThrow(TypeError);
  });

  test('works of different names do not wait for each other', async () => {
    const inner = () => one.ledger.exclusively('inner', async () => 'both');
    expect(await one.ledger.exclusively('outer', inner)).toBe('both');
  });

  test('who waits in vain is told so, and takes no lock when nobody expects it any more', async () => {
    const { db } = one.connection;
    const impatient = exclusively({ db }, 50);
    let end = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      end = resolve;
    });
    let begin = (): void => undefined;
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const long = one.ledger.exclusively('long', () => {
      begin();
      return held;
    });
    await begun;
    await expect(impatient('long', async () => undefined)).rejects.toMatchObject({ type: 'ServiceUnavailable' });
    end();
    await long;
    expect(await impatient('long', async () => 'free again')).toBe('free again');
  });
});
