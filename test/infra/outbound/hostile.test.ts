import { isIPv6 } from 'node:net';
import path from 'node:path';
import { runSealed } from '../../support/sealedNetwork.ts';
import type { Attempt, Report, RowReport } from './hostile/attempts.ts';
import { gatewayHashes, hostileRows, type HostileRow } from './hostile/rows.ts';

let report: Report;
beforeAll(async () => {
  report = (await runSealed(path.join(import.meta.dirname, 'hostile/attempts.ts'), 110_000)) as Report;
}, 120_000);

const normal = (address: string): string => (isIPv6(address) ? new URL(`http://[${address}]/`).hostname : address);

describe('what is reached from a network in which every address answers', () => {
  test('there are enough attempts, and no two are the same', () => {
    expect(hostileRows.length).toBeGreaterThan(200);
    expect(report.rows.map(({ url }) => url)).toEqual(hostileRows.map(({ url }) => url));
    expect(new Set(hostileRows.map(({ url, names }) => JSON.stringify([url, names]))).size).toBe(hostileRows.length);
  });

  test('a public host is read, so the guard is not simply shut', () => {
    expect(report.publicHost).toEqual({ outcome: 'answered', reached: [] });
  });

  describe.each(hostileRows.map((row, index): [string, string, HostileRow, number] => [row.what, row.url, row, index]))(
    '%s: %j',
    (_what, _url, row, index) => {
      const found = (): RowReport => report.rows[index]!;

      test('reaches nothing', () => {
        const { guarded, routes } = found();
        const refusals = row.at.length > 0 ? /^OutboundRefused$/ : row.isHarmless ? /^answered$/ : /^Outbound(Refused|Failed)$/;
        expect(guarded).toEqual({ outcome: expect.stringMatching(refusals), reached: [] });
        for (const [name, attempt] of Object.entries(routes)) {
          const outcome = row.isHarmless ? expect.any(String) : expect.stringMatching(/^(not valid|refused with 400)$/);
          expect([name, attempt]).toEqual([name, { outcome, reached: [] } satisfies Attempt]);
        }
      });

      test(row.at.length > 0 ? 'and would, if it were allowed' : 'nor would it, if it were allowed', () => {
        const reached = new Set(found().open.reached.map(normal));
        expect([...reached]).toEqual(row.at.map(normal));
      });
    },
  );

  test('an identifier of content asks its gateway and nobody else, even if everybody may be asked', () => {
    expect(report.gateways).toHaveLength(2 * gatewayHashes.length);
    for (const { reached } of report.gateways) expect(reached).toEqual([]);
    expect(report.gateways.some(({ outcome }) => outcome === 'valid')).toBe(true);
  });

  test('no name is looked up a second time by the operating system', () => {
    expect(report.systemLookups).toBe(0);
  });
});
