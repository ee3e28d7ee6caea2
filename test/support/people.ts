/** Consumers and publishers of tests: each has a new wallet, so no two test files share a nonce. */

import { Wallet } from 'ethers';
import { startConsumer, type Consumer } from '../../infra/toolchain/demo/consumer.ts';
import type { StackDescription } from './stackDescription.ts';

const fundWei = 100n * 10n ** 18n;

const callChain = async (rpcUrl: string, method: string, params: readonly unknown[]): Promise<void> => {
  const answer = await fetch(rpcUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  const body = (await answer.json()) as { error?: { message: string } };
  if (body.error !== undefined) throw new Error(`${method}: ${body.error.message}`);
};

/** Gives a wallet what transactions cost. */
export const fundWallet = (rpcUrl: string, address: string): Promise<void> =>
  callChain(rpcUrl, 'anvil_setBalance', [address, `0x${fundWei.toString(16)}`]);

/** A person with a funded wallet, a new one by default, and the unmodified client library. */
export const startPerson = async (
  stack: StackDescription,
  { address, privateKey }: Pick<Wallet, 'address' | 'privateKey'> = Wallet.createRandom(),
): Promise<Consumer> => {
  await fundWallet(stack.rpcUrl, address);
  const { clientsFolder, addressFile, rpcUrl, apiUrl } = stack;
  return startConsumer({ clientsFolder, addressFile, rpcUrl, apiUrl, privateKey });
};
