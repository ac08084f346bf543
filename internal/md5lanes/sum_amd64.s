#include "textflag.h"

// Sixteen lanes of MD5. A register holds one word of eight lanes: Y0 to Y3 are
// the states of the first eight, Y4 to Y7 those of the others. Both go through
// every step side by side, because one alone waits for its own results most of
// the time. The words of a block are turned first: word i of the first lanes then
// lies at i*32(SP), that of the others 512 bytes behind it.

// QUARTER takes the eight words AT bytes behind the beginning of the block, of
// the four lanes from FIRST on, and turns each half of them.
#define QUARTER(AT, FIRST, Q0, Q1, Q2, Q3) \
	MOVQ ((FIRST)*8)(R8), R9; \
	MOVQ ((FIRST)*8+8)(R8), R10; \
	MOVQ ((FIRST)*8+16)(R8), R11; \
	MOVQ ((FIRST)*8+24)(R8), R12; \
	VMOVDQU AT(R9)(SI*1), Q0; \
	VMOVDQU AT(R10)(SI*1), Q1; \
	VMOVDQU AT(R11)(SI*1), Q2; \
	VMOVDQU AT(R12)(SI*1), Q3; \
	VPUNPCKLDQ Q1, Q0, Y4; \
	VPUNPCKHDQ Q1, Q0, Y5; \
	VPUNPCKLDQ Q3, Q2, Y6; \
	VPUNPCKHDQ Q3, Q2, Y7; \
	VPUNPCKLQDQ Y6, Y4, Q0; \
	VPUNPCKHQDQ Y6, Y4, Q1; \
	VPUNPCKLQDQ Y7, Y5, Q2; \
	VPUNPCKHQDQ Y7, Y5, Q3

// JOIN joins the halves of two quarters: two words of eight lanes.
#define JOIN(Q, P, TO) \
	VPERM2I128 $0x20, P, Q, Y4; \
	VPERM2I128 $0x31, P, Q, Y5; \
	VMOVDQU Y4, TO(SP); \
	VMOVDQU Y5, (TO+128)(SP)

// TURN turns eight words of the eight lanes from FIRST on.
#define TURN(AT, FIRST, TO) \
	QUARTER(AT, FIRST, Y8, Y9, Y10, Y11); \
	QUARTER(AT, FIRST+4, Y12, Y13, Y14, Y15); \
	JOIN(Y8, Y12, TO); \
	JOIN(Y9, Y13, TO+32); \
	JOIN(Y10, Y14, TO+64); \
	JOIN(Y11, Y15, TO+96)

// STEP ends a step: a = b + (a + f + word + constant) <<< shift, where f is in Y8
// and Y9.
#define STEP(a, b, A, B, word, step, shift) \
	VPBROADCASTD (step*4)(DI), Y12; \
	VPADDD (word*32)(SP), a, a; \
	VPADDD (word*32+512)(SP), A, A; \
	VPADDD Y12, a, a; \
	VPADDD Y12, A, A; \
	VPADDD Y8, a, a; \
	VPADDD Y9, A, A; \
	VPSLLD $shift, a, Y10; \
	VPSLLD $shift, A, Y11; \
	VPSRLD $(32-shift), a, a; \
	VPSRLD $(32-shift), A, A; \
	VPOR Y10, a, a; \
	VPOR Y11, A, A; \
	VPADDD b, a, a; \
	VPADDD B, A, A

// The four functions of RFC 1321, 3.4, in fewer operations.
#define F(a, b, c, d, A, B, C, D, word, step, shift) \
	VPXOR c, d, Y8; \
	VPXOR C, D, Y9; \
	VPAND b, Y8, Y8; \
	VPAND B, Y9, Y9; \
	VPXOR d, Y8, Y8; \
	VPXOR D, Y9, Y9; \
	STEP(a, b, A, B, word, step, shift)

#define G(a, b, c, d, A, B, C, D, word, step, shift) \
	VPXOR b, c, Y8; \
	VPXOR B, C, Y9; \
	VPAND d, Y8, Y8; \
	VPAND D, Y9, Y9; \
	VPXOR c, Y8, Y8; \
	VPXOR C, Y9, Y9; \
	STEP(a, b, A, B, word, step, shift)

#define H(a, b, c, d, A, B, C, D, word, step, shift) \
	VPXOR c, d, Y8; \
	VPXOR C, D, Y9; \
	VPXOR b, Y8, Y8; \
	VPXOR B, Y9, Y9; \
	STEP(a, b, A, B, word, step, shift)

// Y13 is all ones.
#define I(a, b, c, d, A, B, C, D, word, step, shift) \
	VPXOR Y13, d, Y8; \
	VPXOR Y13, D, Y9; \
	VPOR b, Y8, Y8; \
	VPOR B, Y9, Y9; \
	VPXOR c, Y8, Y8; \
	VPXOR C, Y9, Y9; \
	STEP(a, b, A, B, word, step, shift)

// func compressAVX2(s *state, at *[Lanes]*byte, blocks int, constants *[64]uint32)
TEXT ·compressAVX2(SB), 0, $1024-32
	MOVQ s+0(FP), BX
	MOVQ at+8(FP), R8
	MOVQ blocks+16(FP), AX
	MOVQ constants+24(FP), DI
	XORQ SI, SI // bytes behind the beginning of the lanes

block:
	TURN(0, 0, 0)
	TURN(32, 0, 256)
	TURN(0, 8, 512)
	TURN(32, 8, 768)
	VPCMPEQD Y13, Y13, Y13
	VMOVDQU 0(BX), Y0
	VMOVDQU 32(BX), Y4
	VMOVDQU 64(BX), Y1
	VMOVDQU 96(BX), Y5
	VMOVDQU 128(BX), Y2
	VMOVDQU 160(BX), Y6
	VMOVDQU 192(BX), Y3
	VMOVDQU 224(BX), Y7


	F(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 0, 0, 7)
	F(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 1, 1, 12)
	F(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 2, 2, 17)
	F(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 3, 3, 22)
	F(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 4, 4, 7)
	F(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 5, 5, 12)
	F(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 6, 6, 17)
	F(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 7, 7, 22)
	F(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 8, 8, 7)
	F(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 9, 9, 12)
	F(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 10, 10, 17)
	F(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 11, 11, 22)
	F(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 12, 12, 7)
	F(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 13, 13, 12)
	F(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 14, 14, 17)
	F(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 15, 15, 22)

	G(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 1, 16, 5)
	G(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 6, 17, 9)
	G(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 11, 18, 14)
	G(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 0, 19, 20)
	G(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 5, 20, 5)
	G(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 10, 21, 9)
	G(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 15, 22, 14)
	G(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 4, 23, 20)
	G(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 9, 24, 5)
	G(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 14, 25, 9)
	G(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 3, 26, 14)
	G(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 8, 27, 20)
	G(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 13, 28, 5)
	G(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 2, 29, 9)
	G(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 7, 30, 14)
	G(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 12, 31, 20)

	H(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 5, 32, 4)
	H(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 8, 33, 11)
	H(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 11, 34, 16)
	H(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 14, 35, 23)
	H(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 1, 36, 4)
	H(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 4, 37, 11)
	H(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 7, 38, 16)
	H(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 10, 39, 23)
	H(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 13, 40, 4)
	H(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 0, 41, 11)
	H(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 3, 42, 16)
	H(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 6, 43, 23)
	H(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 9, 44, 4)
	H(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 12, 45, 11)
	H(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 15, 46, 16)
	H(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 2, 47, 23)

	I(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 0, 48, 6)
	I(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 7, 49, 10)
	I(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 14, 50, 15)
	I(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 5, 51, 21)
	I(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 12, 52, 6)
	I(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 3, 53, 10)
	I(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 10, 54, 15)
	I(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 1, 55, 21)
	I(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 8, 56, 6)
	I(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 15, 57, 10)
	I(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 6, 58, 15)
	I(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 13, 59, 21)
	I(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, 4, 60, 6)
	I(Y3, Y0, Y1, Y2, Y7, Y4, Y5, Y6, 11, 61, 10)
	I(Y2, Y3, Y0, Y1, Y6, Y7, Y4, Y5, 2, 62, 15)
	I(Y1, Y2, Y3, Y0, Y5, Y6, Y7, Y4, 9, 63, 21)

	VPADDD 0(BX), Y0, Y0
	VPADDD 32(BX), Y4, Y4
	VPADDD 64(BX), Y1, Y1
	VPADDD 96(BX), Y5, Y5
	VPADDD 128(BX), Y2, Y2
	VPADDD 160(BX), Y6, Y6
	VPADDD 192(BX), Y3, Y3
	VPADDD 224(BX), Y7, Y7
	VMOVDQU Y0, 0(BX)
	VMOVDQU Y4, 32(BX)
	VMOVDQU Y1, 64(BX)
	VMOVDQU Y5, 96(BX)
	VMOVDQU Y2, 128(BX)
	VMOVDQU Y6, 160(BX)
	VMOVDQU Y3, 192(BX)
	VMOVDQU Y7, 224(BX)
	ADDQ $64, SI
	DECQ AX
	JNZ  block
	VZEROUPPER
	RET

// func hasAVX2() bool
TEXT ·hasAVX2(SB), NOSPLIT, $0-1
	MOVB $0, ret+0(FP)

	// The system saves the registers: OSXSAVE and AVX, then XCR0.
	MOVL $1, AX
	XORL CX, CX
	CPUID
	ANDL $(1<<27|1<<28), CX
	CMPL CX, $(1<<27|1<<28)
	JNE  done
	XORL CX, CX
	XGETBV
	ANDL $6, AX
	CMPL AX, $6
	JNE  done

	// There is a leaf 7, and it says AVX2.
	XORL AX, AX
	CPUID
	CMPL AX, $7
	JLT  done
	MOVL $7, AX
	XORL CX, CX
	CPUID
	SHRL $5, BX
	ANDL $1, BX
	MOVB BX, ret+0(FP)

done:
	RET
