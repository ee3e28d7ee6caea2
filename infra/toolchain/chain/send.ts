/** One transaction on a local chain, without the questions that a public chain needs asked first. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Interface, Signer, TransactionReceipt } from 'ethers';

export interface ContractCall {
  readonly to: string;
  readonly abi: Interface;
  readonly method: string;
}

const gasLimit = 15_000_000n;
const maxFeePerGas = 10_000_000_000n;
const patienceMs = 20_000;
const lookAgainAfterMs = 4;

/**
 * Calls a contract's function and waits until it is mined.
 * @throws Error when the function reverted
 */
export const send = async (signer: Signer, call: ContractCall, ...args: readonly unknown[]): Promise<TransactionReceipt> => {
  const { to, abi, method } = call;
  const data = abi.encodeFunctionData(method, args);
  const sent = await signer.sendTransaction({ to, data, gasLimit, maxFeePerGas, maxPriorityFeePerGas: 0n });
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const receipt = await sent.provider.getTransactionReceipt(sent.hash);
    if (receipt?.status === 1) return receipt;
    if (receipt !== null) throw new Error(`${method} reverted`);
    if (Date.now() > deadline) throw new Error(`${method} was not mined in time`);
    await sleep(lookAgainAfterMs);
  }
};
