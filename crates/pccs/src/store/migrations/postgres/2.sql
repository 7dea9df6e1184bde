-- Version 2: a CRL is kept as the document that it is, and never by an address.
DROP TABLE crls;
