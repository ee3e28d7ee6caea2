/** The piece of `proper-lockfile` in use: it ships no types. */
declare module 'proper-lockfile' {
  interface LockOptions {
    /** milliseconds without a sign of life after which a lock counts as left behind */
    readonly stale: number;
    /** milliseconds between signs of life */
    readonly update: number;
    readonly realpath: boolean;
    readonly retries:
      { readonly forever: boolean; readonly minTimeout: number; readonly maxTimeout: number; readonly factor: number } | number;
    readonly onCompromised?: (err: Error) => void;
  }
  export function lock(file: string, options: LockOptions): Promise<() => Promise<void>>;
}
