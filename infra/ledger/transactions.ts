/** Transactions as they were signed. Everything here is public on the chain; no key and no secret is stored. */

import { sql, type Kysely, type Selectable, type Transaction } from 'kysely';
import type { LedgerDatabase } from './schema.ts';

/** What a transaction does, whatever its nonce and gas price. Amounts are decimal text in base units. */
export interface TransactionCall {
  readonly to: string;
  readonly data: string;
  readonly value: string;
  readonly gasLimit: string;
}

/** One signature; of all attempts of a transaction at most one is ever mined, because they share a nonce. */
export interface TransactionAttempt {
  readonly nonce: number;
  readonly hash: string;
  /** signed bytes, 0x hex */
  readonly raw: string;
  /** base units per gas, decimal text */
  readonly maxFeePerGas: string;
  readonly maxPriorityFeePerGas: string;
  readonly signedAtMs: number;
}

/** A log of a mined transaction. */
export interface TransactionLog {
  readonly address: string;
  readonly topics: readonly string[];
  readonly data: string;
}

/** The end of a transaction, as deep below the newest block as configured. */
export interface TransactionOutcome {
  readonly hash: string;
  readonly blockNumber: number;
  readonly succeeded: boolean;
  /** why the contract refused; null for a success */
  readonly reason: string | null;
  readonly logs: readonly TransactionLog[];
}

/** A transaction under its key. */
export interface TransactionRecord {
  readonly key: string;
  readonly chainId: number;
  /** lower-case */
  readonly sender: string;
  /** null: the key was given up before anything was signed, and never will be */
  readonly signed: { readonly nonce: number; readonly call: TransactionCall; readonly attempts: readonly TransactionAttempt[] } | null;
  readonly outcome: TransactionOutcome | null;
}

/** Whose transaction, under which key. */
export interface TransactionOwner {
  readonly key: string;
  readonly chainId: number;
  readonly sender: string;
}

/** Signs for a nonce; pure and quick, it runs while the sender's row is locked. */
type Sign = (nonce: number) => TransactionAttempt;

interface Deps {
  readonly db: Kysely<LedgerDatabase>;
}

const toRecord = (row: Selectable<LedgerDatabase['transactions']>): TransactionRecord => ({
  key: row.key,
  chainId: Number(row.chain_id),
  sender: row.sender,
  signed: row.nonce === null || row.call === null ? null : { nonce: Number(row.nonce), call: row.call, attempts: row.attempts },
  outcome: row.outcome,
});

const find = async (db: Kysely<LedgerDatabase>, key: string): Promise<TransactionRecord | null> => {
  const row = await db.selectFrom('transactions').selectAll().where('key', '=', key).executeTakeFirst();
  return row === undefined ? null : toRecord(row);
};

/** @returns null for a key that was never used */
export const findTransaction = ({ db }: Deps) =>
  async function findTransaction(key: string): Promise<TransactionRecord | null> {
    return find(db, key);
  };

/** Takes the sender's next nonce; other processes wait until this transaction of the database ends. */
const takeNonce = async (trx: Transaction<LedgerDatabase>, { chainId, sender }: TransactionOwner, chainNonce: number): Promise<number> => {
  const { rows } = await sql<{ nonce: string }>`
    insert into transaction_senders as known (chain_id, address, next_nonce) values (${chainId}, ${sender}, ${chainNonce} + 1)
    on conflict (chain_id, address) do update set next_nonce = greatest(known.next_nonce, ${chainNonce}::bigint) + 1
    returning next_nonce - 1 as nonce`.execute(trx);
  const [row] = rows;
  if (row === undefined) throw new Error('the ledger gave out no nonce');
  return Number(row.nonce);
};

/** A transaction to be signed. */
export interface NewTransaction {
  readonly owner: TransactionOwner;
  readonly call: TransactionCall;
  /** the sender's next nonce as the chain counts it, waiting transactions included */
  readonly chainNonce: number;
  readonly sign: Sign;
}

/**
 * Gives the key its nonce and keeps what was signed, both or neither. Of any number of callers the first one counts; all
 * get the same record, also one that was given up.
 */
export const reserveTransaction = ({ db }: Deps) =>
  async function reserveTransaction({ owner, call, chainNonce, sign }: NewTransaction): Promise<TransactionRecord> {
    const { key, chainId, sender } = owner;
    return db.transaction().execute(async (trx) => {
      // the key's row first: who loses here must not take a nonce that nobody would use
      const inserted = await trx
        .insertInto('transactions')
        .values({ key, chain_id: chainId, sender, nonce: null, call: null, outcome: null })
        .onConflict((conflict) => conflict.doNothing())
        .returning('key')
        .executeTakeFirst();
      if (inserted !== undefined) {
        const nonce = await takeNonce(trx, owner, chainNonce);
        await trx
          .updateTable('transactions')
          .set({ nonce, call: JSON.stringify(call), attempts: JSON.stringify([sign(nonce)]) })
          .where('key', '=', key)
          .execute();
      }
      const record = await find(trx, key);
      if (record === null) throw new Error(`transaction ${key} is not in the ledger`);
      return record;
    });
  };

/** @returns the transaction of the key, which has been signed before, or null: it never will be */
export const giveUpTransaction = ({ db }: Deps) =>
  async function giveUpTransaction({ key, chainId, sender }: TransactionOwner): Promise<TransactionRecord | null> {
    await db
      .insertInto('transactions')
      .values({ key, chain_id: chainId, sender, nonce: null, call: null, outcome: null })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    const record = await find(db, key);
    return record?.signed === null ? null : record;
  };

/** What changes in a transaction that is not mined. */
export interface NewAttempt {
  readonly record: TransactionRecord;
  /** a number gives up the old nonce, which a stranger has used, for the next one; this is the chain's next */
  readonly chainNonce?: number;
  readonly sign: Sign;
}

/** Adds a signature, unless another process has done so since `record` was read. @returns the transaction as it is now */
export const addTransactionAttempt = ({ db }: Deps) =>
  async function addTransactionAttempt({
    record: { key, chainId, sender, signed },
    chainNonce,
    sign,
  }: NewAttempt): Promise<TransactionRecord> {
    return db.transaction().execute(async (trx) => {
      const row = await trx.selectFrom('transactions').selectAll().where('key', '=', key).forUpdate().executeTakeFirstOrThrow();
      if (row.outcome !== null || row.nonce === null || row.attempts.length !== signed?.attempts.length) return toRecord(row);
      const nonce = chainNonce === undefined ? Number(row.nonce) : await takeNonce(trx, { key, chainId, sender }, chainNonce);
      const changed = await trx
        .updateTable('transactions')
        .set({ nonce, attempts: JSON.stringify([...row.attempts, sign(nonce)]) })
        .where('key', '=', key)
        .returningAll()
        .executeTakeFirstOrThrow();
      return toRecord(changed);
    });
  };

/** Remembers the end of a transaction; the first one stays. */
export const settleTransaction = ({ db }: Deps) =>
  async function settleTransaction(key: string, outcome: TransactionOutcome): Promise<void> {
    await db
      .updateTable('transactions')
      .set({ outcome: JSON.stringify(outcome) })
      .where('key', '=', key)
      .where('outcome', 'is', null)
      .execute();
  };

/** Unfinished transactions of the same sender with lower nonces, which must be mined first; lowest nonce first. */
export const earlierTransactions = ({ db }: Deps) =>
  async function earlierTransactions({ chainId, sender, signed }: TransactionRecord, limit: number): Promise<readonly TransactionRecord[]> {
    if (signed === null) return [];
    const rows = await db
      .selectFrom('transactions')
      .selectAll()
      .where('chain_id', '=', String(chainId))
      .where('sender', '=', sender)
      .where('outcome', 'is', null)
      .where('nonce', '<', String(signed.nonce))
      .orderBy('nonce')
      .limit(limit)
      .execute();
    return rows.map(toRecord);
  };
