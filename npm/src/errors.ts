/** What went wrong, coarsely: what a program can act on. */
export type ErrorCode =
  /** A value, or a model file's content, is wrong. */
  | "invalid"
  /** Valid, but striate or this backend does not do it. */
  | "unsupported"
  /** Shapes or element types do not fit together. */
  | "shape-mismatch"
  /** Too large for memory or for a limit of the device. */
  | "resource"
  /** The GPU went away and could not be had again. */
  | "device-lost"
  /** An `AbortSignal` stopped the work. */
  | "aborted"
  /** A file could not be fetched, or something else was served in its place. */
  | "network"
  /** A fault in striate. The engine restarts by itself on the next call. */
  | "internal";

/** The fields of a {@link StriateError}, as they cross from the worker. */
export interface ErrorFields {
  code: ErrorCode;
  message: string;
  layer?: string | undefined;
  expected?: string | undefined;
  received?: string | undefined;
}

/** Every error that striate throws: a `code` to act on and a sentence that says what to do. */
export class StriateError extends Error {
  override readonly name: string = "StriateError";
  /** What went wrong, coarsely. */
  readonly code: ErrorCode;
  /** The layer (node of the network) concerned, if one is. */
  readonly layer?: string | undefined;
  /** What would have fitted. */
  readonly expected?: string | undefined;
  /** What was there instead. */
  readonly received?: string | undefined;

  constructor(fields: ErrorFields, options?: ErrorOptions) {
    super(fields.message, options);
    this.code = fields.code;
    this.layer = fields.layer;
    this.expected = fields.expected;
    this.received = fields.received;
  }
}

/** A wrong value, or a broken model file. */
export class InvalidError extends StriateError {
  override readonly name = "InvalidError";
}
/** A model, operation or source that striate does not support. */
export class UnsupportedError extends StriateError {
  override readonly name = "UnsupportedError";
}
/** Shapes or element types that do not fit; see `expected` and `received`. */
export class ShapeMismatchError extends StriateError {
  override readonly name = "ShapeMismatchError";
}
/** Out of memory, or over a limit. */
export class ResourceError extends StriateError {
  override readonly name = "ResourceError";
}
/** The GPU was lost and could not be had again. */
export class DeviceLostError extends StriateError {
  override readonly name = "DeviceLostError";
}
/** An `AbortSignal` stopped the work. */
export class AbortedError extends StriateError {
  override readonly name = "AbortedError";
}
/** A file could not be fetched. */
export class NetworkError extends StriateError {
  override readonly name = "NetworkError";
}
/** A fault in striate. The engine restarts by itself on the next call. */
export class InternalError extends StriateError {
  override readonly name = "InternalError";
}

const CLASSES: Record<ErrorCode, typeof StriateError> = {
  invalid: InvalidError,
  unsupported: UnsupportedError,
  "shape-mismatch": ShapeMismatchError,
  resource: ResourceError,
  "device-lost": DeviceLostError,
  aborted: AbortedError,
  network: NetworkError,
  internal: InternalError,
};

/** The error of the class that belongs to `fields.code`. */
export function errorFrom(fields: ErrorFields, cause?: unknown): StriateError {
  return new CLASSES[fields.code](fields, cause === undefined ? undefined : { cause });
}

/** An error of a code with a sentence, and further fields. */
export function failure(
  code: ErrorCode,
  message: string,
  more: Pick<ErrorFields, "layer" | "expected" | "received"> & { cause?: unknown } = {},
): StriateError {
  const { cause, ...fields } = more;
  return errorFrom({ code, message, ...fields }, cause);
}

/** The error of an aborted signal, with the caller's reason as its cause. */
export function aborted(signal: AbortSignal, what: string): StriateError {
  return failure("aborted", `${what} was stopped by its AbortSignal`, { cause: signal.reason });
}

/** Throws if the signal is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw aborted(signal, what);
}

/** True for the plain object that the wasm side throws. */
function isFields(value: unknown): value is ErrorFields {
  if (typeof value !== "object" || value === null || value instanceof Error) return false;
  const { code, message } = value as Partial<ErrorFields>;
  return typeof message === "string" && typeof code === "string" && code in CLASSES;
}

/** The fields of anything thrown; what striate did not throw itself is a fault in it. */
export function fieldsOf(thrown: unknown): ErrorFields {
  if (thrown instanceof StriateError || isFields(thrown)) {
    const { code, message, layer, expected, received } = thrown;
    return { code, message, layer, expected, received };
  }
  return { code: "internal", message: `internal error: ${thrown instanceof Error ? thrown.message : String(thrown)}` };
}
