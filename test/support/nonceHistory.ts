/** What callers saw of nonces, and whether one after the other could have seen the same. Pure. */

/** One call that spends a nonce, as its caller saw it. */
export interface SpendingCall {
  readonly address: string;
  readonly nonce: number;
  readonly isAccepted: boolean;
  /** a time before the call was sent, and one after its answer had come */
  readonly begunAt: number;
  readonly endedAt: number;
}

/** The rule: above the last one that was accepted. One call at a time. */
export const createSequentialNonces = () => {
  const last = new Map<string, number>();
  return {
    spend(address: string, nonce: number): boolean {
      if (nonce <= (last.get(address) ?? -1)) return false;
      last.set(address, nonce);
      return true;
    },
    last: (address: string): number | undefined => last.get(address),
  };
};

interface Placed {
  readonly call: SpendingCall;
  readonly at: number;
}

/** Accepted calls by their nonces, each as early as its caller and the nonces below it allow. */
const placeAccepted = (calls: readonly SpendingCall[]): readonly Placed[] => {
  let at = Number.NEGATIVE_INFINITY;
  return calls
    .filter(({ isAccepted }) => isAccepted)
    .toSorted((a, b) => a.nonce - b.nonce)
    .map((call) => {
      at = Math.max(at, call.begunAt);
      if (at > call.endedAt) throw new Error(`nonce ${call.nonce} was accepted after a higher one`);
      return { call, at };
    });
};

/**
 * An order of the calls of one address that keeps to their times: a call is placed between its start and its end.
 * @throws Error when there is none that the rule allows
 */
const orderCalls = (calls: readonly SpendingCall[]): readonly SpendingCall[] => {
  const accepted = placeAccepted(calls);
  // as late as possible, so that whatever could have refused it has been accepted
  const refused = calls.filter(({ isAccepted }) => !isAccepted).map((call): Placed => ({ call, at: call.endedAt }));
  const order = [...accepted, ...refused].toSorted((a, b) => a.at - b.at).map(({ call }) => call);
  const model = createSequentialNonces();
  for (const { address, nonce, isAccepted } of order) {
    if (model.spend(address, nonce) === isAccepted) continue;
    throw new Error(isAccepted ? `nonce ${nonce} was accepted twice` : `nonce ${nonce} was refused before it was used up`);
  }
  return order;
};

/**
 * The calls in an order in which they could have come one after the other.
 * @throws Error naming a call that no such order explains
 */
export const explainHistory = (calls: readonly SpendingCall[]): readonly SpendingCall[] =>
  [...Map.groupBy(calls, ({ address }) => address).values()].flatMap(orderCalls);
