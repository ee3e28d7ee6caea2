/** A contract that emits whatever it is told, under its own address: what a forger deploys. */

import { concat, getBytes, toBeHex, type Signer } from 'ethers';

export interface ForgedLog {
  readonly topics: readonly string[];
  readonly data: string;
}

const push4 = (value: number): string => concat(['0x63', toBeHex(value, 4)]);
const codecopy = '0x39';

/** Copies the data from the code behind the program into memory, then logs it. */
const emit = ({ topics, data }: ForgedLog, offset: number): string =>
  concat([
    push4(getBytes(data).length),
    push4(offset),
    push4(0),
    codecopy,
    ...topics.toReversed().map((topic) => concat(['0x7f', topic])),
    push4(getBytes(data).length),
    push4(0),
    toBeHex(0xa0 + topics.length, 1),
  ]);

/** Deploys a contract whose constructor emits the logs. @returns the transaction's hash */
export const forgeLogs = async (signer: Signer, logs: readonly ForgedLog[]): Promise<string> => {
  const programBytes = logs.reduce((sum, log) => sum + getBytes(emit(log, 0)).length, 1);
  let offset = programBytes;
  const program = logs.map((log) => {
    const code = emit(log, offset);
    offset += getBytes(log.data).length;
    return code;
  });
  const sent = await signer.sendTransaction({ data: concat([...program, '0x00', ...logs.map((log) => log.data)]) });
  const receipt = await sent.wait();
  if (receipt?.status !== 1) throw new Error('the forgery failed');
  return receipt.hash;
};
