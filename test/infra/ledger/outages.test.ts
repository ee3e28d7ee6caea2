import { setImmediate as nextRound } from 'node:timers/promises';
import { sql } from 'kysely';
import pg from 'pg';
import { connectLedger } from '../../../infra/ledger/connect.ts';
import { createLedger } from '../../../infra/ledger/ledger.ts';
import { ledgerFailure } from '../../../infra/ledger/ledgerFailure.ts';
import { findFreePorts } from '../../../infra/toolchain/program.ts';
import { isJobFailure } from '../../../workflows/contract/failures.ts';
import { aJobId } from '../../support/builders.ts';
import { aKeyring, openTestLedger } from '../../support/databases.ts';

const anError = (message: string, code?: string): Error => Object.assign(new Error(message), code === undefined ? {} : { code });

describe('ledgerFailure', () => {
  test.each([
    ['a refused connection', anError('connect ECONNREFUSED 127.0.0.1:5432', 'ECONNREFUSED')],
    ['a connection that broke', anError('Connection terminated unexpectedly')],
    ['a pool that waited in vain', anError('timeout exceeded when trying to connect')],
    ['a statement without an answer', anError('Query read timeout')],
    ['a server that shuts down', anError('terminating connection due to administrator command', '57P01')],
    ['a server after a crash', anError('the database system is in recovery mode', '57P03')],
    ['a server with too many clients', anError('sorry, too many clients already', '53300')],
    ['a cause', new Error('wrapped', { cause: anError('read ECONNRESET', 'ECONNRESET') })],
  ])('%s may be tried again, and its text names no address', (_what, err) => {
    const failure = ledgerFailure(err);
    expect(failure).toMatchObject({ type: 'ServiceUnavailable', retryAfterSeconds: 2 });
    expect((failure as Error).message).not.toMatch(/\d/);
  });

  test.each([
    ['a broken rule', anError('duplicate key value violates unique constraint', '23505')],
    ['a mistake in a statement', anError('syntax error', '42601')],
    ['anything else', anError('unexpected')],
  ])('%s stays what it is', (_what, err) => {
    expect(ledgerFailure(err)).toBe(err);
  });
});

describe('a ledger whose database goes away', () => {
  test('says so while nothing listens', async () => {
    const [port] = await findFreePorts(1);
    const connection = connectLedger(`postgres://postgres@127.0.0.1:${port}/c2d`, () => undefined);
    const ledger = createLedger(connection, aKeyring());
    await expect(ledger.readJob(aJobId())).rejects.toMatchObject({ type: 'ServiceUnavailable' });
    await expect(ledger.check()).rejects.toMatchObject({ type: 'ServiceUnavailable' });
    await connection.close();
  });

  test('survives a connection that breaks between two statements of a transaction', async () => {
    const test_ = await openTestLedger();
    const killer = new pg.Client({ connectionString: test_.url });
    await killer.connect();
    const work = test_.connection.db.transaction().execute(async (trx) => {
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(trx);
      await killer.query('select pg_terminate_backend($1)', [rows[0]?.pid]);
      for (;;) {
        const { rows: alive } = await killer.query('select 1 from pg_stat_activity where pid = $1', [rows[0]?.pid]);
        if (alive.length === 0) break;
      }
      // the driver learns of it now, with no statement under way that could fail
      for (let round = 0; round < 20; round += 1) await nextRound();
      await sql`select 1`.execute(trx);
    });
    const failure: unknown = await work.then(
      () => undefined,
      (err: unknown) => ledgerFailure(err),
    );
    expect(isJobFailure(failure)).toBe(true);
    await expect(test_.ledger.check()).resolves.toBeUndefined();
    await killer.end();
    await test_.close();
  });
});
