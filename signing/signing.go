// Package signing holds the nouns of signing orders: the Order with its
// documents and its Manifest, the Signatory who is invited, the Signature with
// its evidence, and the rules by which an order goes from one state to the next.
//
// It owns types and rules and nothing that runs, and is pure: no clock, no
// store, no network. Orders are run by signing/orders, kept by signing/store,
// shown by signing/web and signing/api, made into a receipt by signing/receipt
// and sealed by signing/pades. It knows of the broker only that e-ID orders have
// names.
package signing
