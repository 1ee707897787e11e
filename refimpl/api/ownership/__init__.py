"""Who owns which field of an object: what server-side apply is built on.

Every writer of an object is noted with the fields it has set (`metadata.managedFields`). Whoever applies a
configuration takes the fields in it, gives back those it no longer names, and is refused those of somebody else.

`fieldsets` has sets of fields and their form on the wire, `shapes` the parts that objects of a type are owned in,
`objects` what is done to objects part by part, `managers` the rules, `conformity` what is wrong with a configuration,
`lastapplied` how kubectl hands over what it applied on its own.

Source: apimachinery 1.36 `util/managedfields` and structured-merge-diff 6.
"""
