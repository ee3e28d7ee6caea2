/** A database of its own for each test file, on the shared server. */

import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { createKeyring, keyringText, type Keyring } from '../../infra/crypto/keyring.ts';
import { connectLedger, migrateLedger, type LedgerConnection } from '../../infra/ledger/connect.ts';
import { createLedger, type Ledger } from '../../infra/ledger/ledger.ts';

/** A keyring of random keys. */
export const aKeyring = (...ids: string[]): Keyring =>
  createKeyring(
    keyringText.parse((ids.length === 0 ? ['test'] : ids).map((id) => `${id}:${randomBytes(32).toString('base64')}`).join(',')),
  );

/** A migrated ledger in a new database. */
export interface TestLedger {
  readonly url: string;
  readonly connection: LedgerConnection;
  readonly ledger: Ledger;
  readonly keyring: Keyring;
  /** Closes the connections and drops the database. */
  close(): Promise<void>;
}

const onServer = async (statement: string): Promise<void> => {
  const client = new pg.Client({ connectionString: process.env.C2D_TEST_DATABASE_URL });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
};

/** Creates a database and brings it to the newest schema. */
export const openTestLedger = async (): Promise<TestLedger> => {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await onServer(`create database ${name}`);
  const url = new URL(process.env.C2D_TEST_DATABASE_URL!);
  url.pathname = `/${name}`;
  const connection = connectLedger(url.href, () => undefined, { maxConnections: 20 });
  await migrateLedger(connection);
  const keyring = aKeyring();
  return {
    url: url.href,
    connection,
    keyring,
    ledger: createLedger(connection, keyring),
    async close() {
      await connection.close();
      await onServer(`drop database ${name} with (force)`);
    },
  };
};
