/** What the page may say to its service worker; each message is answered on its port when done. */
export type ToWorker = { readonly isolate: true } | { readonly keep: string };
