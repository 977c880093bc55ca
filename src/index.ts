/**
 * The public entry of the package `thalamus`.
 *
 * Re-exports only; every name here is part of the public API.
 */
export {};
